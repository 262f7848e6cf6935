/*
 * fuzz_topo.c: the topology reader over any text: a topology whose links name its own nodes, or a
 * refusal (src/lab/topo.c).
 */
#include "lab/lab.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

/* The reader tells the operator on stderr what is wrong: nobody listens here. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    FILE *null = fopen("/dev/null", "w");
    if (null) {
        stderr = null;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct topo t;
    char *text = malloc(len + 1);
    memcpy(text, data, len);
    text[len] = 0;
    if (topo_read_text(&t, "fuzz", text, len)) {
        if (!t.name[0] || t.num_nodes > TOPO_NODES || t.num_links > TOPO_LINKS) {
            abort();
        }
        for (unsigned i = 0; i < t.num_links; i++) {
            if (t.link[i][0].node >= t.num_nodes || t.link[i][1].node >= t.num_nodes) {
                abort();
            }
        }
    }
    free(text);
    return 0;
}

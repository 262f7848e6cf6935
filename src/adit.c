/*
 * adit.c: what the operator types: a console, one command, or a lab.
 */
#include "lab/lab.h"

#include <unistd.h>

static int usage(FILE *to)
{
    fputs("usage: adit [-n NAME]             a console on the router NAME (default: default)\n"
          "       adit [-n NAME] 'COMMAND'   one command; exit status 0 when it was accepted\n"
          "       adit lab ...               many routers on this machine: see adit lab\n",
          to);
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    char sock[300];
    const char *name = "default";
    int opt;
    if (argc > 1 && strcmp(argv[1], "lab") == 0) {
        return lab_main(argc - 2, argv + 2);
    }
    while ((opt = getopt(argc, argv, "+n:h")) != -1) {
        if (opt == 'n') {
            name = optarg;
        } else {
            return usage(opt == 'h' ? stdout : stderr);
        }
    }
    snprintf(sock, sizeof sock, strchr(name, '/') ? "%s" : "/run/adit/%s/sock", name);
    if (optind == argc) {
        return console_interactive(sock);
    }
    struct strbuf line = {0};
    for (int i = optind; i < argc; i++) {
        sb_addf(&line, "%s%s", i > optind ? " " : "", argv[i]);
    }
    int status = console_once(sock, line.s);
    sb_free(&line);
    return status;
}

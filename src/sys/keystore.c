/*
 * keystore.c: the router's private keys in its state directory (`private-keys`, mode 0600, written beside and renamed): they are part of
 * the model and of no text of it, so they are read before a configuration is and kept whenever the model has others. A pair that
 * a file asks for (`crypto key generate`) is made here, once.
 */
#include "sys/router_int.h"

#include "pki/pki.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define KEYS "private-keys"

static void forget(char *text)
{
    if (text) {
        mem_wipe(text, strlen(text));
        free(text);
    }
}

/* read_line: "rsa|ec BITS MADE yes|no LABEL HEX"; what does not read as one is passed over, and said once it is needed. */
static void read_line(struct conf *c, char *line)
{
    static u8 der[PKI_DER_MAX];
    char *word[6], *rest = line;
    unsigned n = 0;
    while (n < ARRAY_LEN(word) && (word[n] = strsep(&rest, " "))) {
        n++;
    }
    int len = n == ARRAY_LEN(word) ? hex_parse(der, sizeof der, word[5]) : -1;
    struct pki_key *key = len > 0 ? pki_key_open(der, (size_t)len) : NULL;
    if (key) {
        struct conf_keypair *k = conf_keypair_put(c, word[4], pki_key_kind(key) != PKI_RSA,
                                                  (u16)pki_key_bits(key), der, (size_t)len);
        k->made_s = strtoull(word[2], NULL, 10);
        k->exportable = strcmp(word[3], "yes") == 0;
    }
    pki_key_free(key);
    mem_wipe(der, sizeof der);
}

void keystore_read(struct router *r, struct conf *c)
{
    char path[512];
    snprintf(path, sizeof path, "%.480s/%s", r->opt->state_dir, KEYS);
    char *text = cli_read_file(path), *rest = text, *line;
    size_t len = text ? strlen(text) : 0;
    while (text && (line = strsep(&rest, "\n"))) {
        read_line(c, line);
    }
    if (text) {
        mem_wipe(text, len);
    }
    free(text);
}

static void write_line(struct strbuf *out, const struct conf_keypair *k)
{
    char *hex = xcalloc(2, k->len + 1);
    hex_str(hex, 2 * k->len + 2, k->der, k->len);
    sb_addf(out, "%s %u %" PRIu64 " %s %s ", k->ec ? "ec" : "rsa", k->bits, k->made_s,
            k->exportable ? "yes" : "no", k->label);
    sb_add(out, hex);
    sb_add(out, "\n");
    forget(hex);
}

/* make: what a file asks for and is not there. */
static void make(struct conf *c, struct conf_keypair *asked)
{
    static u8 der[PKI_DER_MAX];
    struct conf_keypair want = *asked;
    enum pki_kind kind = !want.ec           ? PKI_RSA
                         : want.bits == 521 ? PKI_EC521
                         : want.bits == 384 ? PKI_EC384
                                            : PKI_EC256;
    struct pki_key *key = pki_key_make(kind, want.bits);
    size_t len = key ? pki_key_save(key, der, sizeof der) : 0;
    pki_key_free(key);
    conf_keypair_remove(asked);
    if (len) {
        conf_keypair_put(c, want.label, want.ec, want.bits, der, len)->exportable = want.exportable;
    }
    mem_wipe(der, sizeof der);
}

bool keystore_keep(struct router *r)
{
    char path[512];
    struct strbuf text = {0};
    bool ok = true;
    snprintf(path, sizeof path, "%.480s/%s", r->opt->state_dir, KEYS);
    sb_add(&text, "");
    CONF_FOR(struct conf_keypair, asked, &r->conf->keypairs)
    {
        if (!asked->der) {
            make(r->conf, asked);
        }
    }
    CONF_FOR(struct conf_keypair, k, &r->conf->keypairs)
    {
        k->made_s = k->made_s ? k->made_s : (u64)time(NULL);
        write_line(&text, k);
    }
    char *saved = cli_read_file(path);
    if (text.len && !(saved && strcmp(saved, text.s) == 0)) {
        ok = startup_write(path, text.s);
    } else if (!text.len && saved) {
        ok = unlink(path) == 0;
    }
    if (!ok) { /* it is tried again with the next line */
        ev_conf_fail(&r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str("private keys"),
                                             .why = ev_textf("%s: %s", path, strerror(errno))});
    }
    sb_free(&text);
    forget(saved);
    return ok;
}

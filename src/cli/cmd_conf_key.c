/*
 * cmd_conf_key.c: private keys: `crypto key generate`, `import`, `zeroize`. They are part of the model and of no text; sys/startup.c
 * keeps them in the router's state directory. In a file `generate` asks for a pair, which the router makes once (startup_keys).
 */
#include "cli/cli_int.h"

#include "pki/pki.h"

#include <stdlib.h>

/* label_of: as it is said, else the router's own name. */
static bool label_of(struct cfg *k, const struct match *m, char out[CONF_NAME])
{
    char own[CONF_TEXT];
    const char *said = match_text(m, "name");
    return str_copy(out, CONF_NAME, said ? said : conf_fqdn(k->c, own)) ||
           cfg_fail(k, m, "name", "the router's name is too long for a label; say `label L`");
}

static bool generate(struct cfg *k, const char *label, enum pki_kind kind, unsigned bits,
                     bool exportable)
{
    u8 der[PKI_DER_MAX];
    sb_addf(k->out, "The name for the keys will be: %s\n\n", label);
    if (conf_keypair_find(k->c, label)) {
        sb_addf(k->out, "%% You already have keys defined named %s.\n%% They will be replaced.\n\n",
                label);
    }
    sb_addf(k->out,
            "%% The key modulus size is %u bits\n%% Generating %u bit %s keys, keys will be %s...",
            bits, bits, kind == PKI_RSA ? "RSA" : "EC",
            exportable ? "exportable" : "non-exportable");
    struct pki_key *key = pki_key_make(kind, bits);
    size_t n = key ? pki_key_save(key, der, sizeof der) : 0;
    pki_key_free(key);
    if (!n) {
        return cfg_fail(k, NULL, NULL, "such a key cannot be made");
    }
    conf_keypair_put(k->c, label, kind != PKI_RSA, (u16)bits, der, n)->exportable = exportable;
    mem_wipe(der, n);
    sb_add(k->out, "[OK]\n\n");
    return true;
}

bool cfg_key_generate(struct cfg *k, const struct match *m)
{
    char label[CONF_NAME];
    bool ec = match_has(m, "ec");
    unsigned bits = (unsigned)match_number(m, "bits", ec ? 256 : 1024);
    bits = !ec ? bits : match_has(m, "521") ? 521 : match_has(m, "384") ? 384 : 256;
    enum pki_kind kind = !ec           ? PKI_RSA
                         : bits == 521 ? PKI_EC521
                         : bits == 384 ? PKI_EC384
                                       : PKI_EC256;
    if (m->no) {
        return cfg_fail(k, m, NULL, "use `crypto key zeroize`");
    }
    if (!label_of(k, m, label)) {
        return false;
    }
    if (!ec && bits < 1024) { /* and OpenSSL makes none below 512 */
        return cfg_fail(
            k, m, "bits",
            "an RSA key has at least 1024 bits; every peer that looks refuses a shorter one");
    }
    if (k->live) {
        return generate(k, label, kind, bits, match_has(m, "exportable"));
    }
    if (!conf_keypair_find(k->c, label)) {
        conf_keypair_put(k->c, label, ec, (u16)bits, NULL, 0)->exportable =
            match_has(m, "exportable");
    }
    return true;
}

static bool put_key(struct cfg *k, const char *label, bool ec, bool exportable, const char *text,
                    size_t len, const char *pass)
{
    u8 der[PKI_DER_MAX];
    struct pki_key *key = pki_key_read(text, len, pass);
    bool fits = key && (pki_key_kind(key) != PKI_RSA) == ec;
    size_t n = fits ? pki_key_save(key, der, sizeof der) : 0;
    if (n) {
        conf_keypair_put(k->c, label, ec, (u16)pki_key_bits(key), der, n)->exportable = exportable;
        mem_wipe(der, n);
    }
    bool read = key != NULL;
    pki_key_free(key);
    if (!n) {
        return cfg_fail(k, NULL, NULL,
                        read ? "this key is of the other kind (rsa, ec)"
                             : "no private key can be read there; is the password right?");
    }
    if (k->live) {
        sb_add(k->out, "% Key pair import succeeded.\n");
    }
    return true;
}

/* take_key: lines of PEM until `quit`. IOS asks for the public half, too; it is passed over. */
static bool take_key(struct cfg *k, const char *line)
{
    struct paste *p = &k->paste;
    if (strcmp(line + strspn(line, " \t"), "quit") != 0) {
        if (p->text.len > PKI_DER_MAX * 2) {
            cfg_paste_end(k);
            return cfg_fail(k, NULL, NULL, "this text is too long for a key");
        }
        sb_addf(&p->text, "%s\n", line);
        return true;
    }
    const char *text = p->text.s ? p->text.s : "";
    bool ok =
        put_key(k, p->name, p->ec, p->exportable, text, strlen(text), p->pass[0] ? p->pass : NULL);
    cfg_paste_end(k);
    return ok;
}

bool cfg_key_import(struct cfg *k, const struct match *m)
{
    const char *label = match_text(m, "name"), *url = match_text(m, "url"),
               *pass = match_text(m, "secret");
    bool ec = match_has(m, "ec"), exportable = match_has(m, "exportable");
    if (m->no || !label) {
        return cfg_fail(k, m, NULL, "use `crypto key zeroize`");
    }
    if (url) {
        size_t len;
        char *text = cfg_file(k, m, "url", url, &len);
        bool ok = text && put_key(k, label, ec, exportable, text, len, pass);
        if (text) {
            mem_wipe(text, len);
        }
        free(text);
        return ok;
    }
    cfg_paste_end(k);
    k->paste.take = take_key;
    k->paste.ec = ec;
    k->paste.exportable = exportable;
    str_copy(k->paste.name, sizeof k->paste.name, label);
    str_copy(k->paste.pass, sizeof k->paste.pass, pass ? pass : "");
    if (k->live) {
        sb_add(k->out, "% Enter PEM-formatted private General Purpose key\n% End with \"quit\" on "
                       "a line by itself.\n");
    }
    return true;
}

bool cfg_key_zeroize(struct cfg *k, const struct match *m)
{
    const char *label = match_text(m, "name");
    bool ec = match_has(m, "ec"), any = false;
    if (m->no) {
        return cfg_fail(k, m, NULL, "keys that are gone are gone");
    }
    CONF_FOR(struct conf_keypair, p, &k->c->keypairs)
    {
        if (p->ec == ec && (!label || strcmp(p->label, label) == 0)) {
            conf_keypair_remove(p);
            any = true;
        }
    }
    if (k->live) {
        sb_addf(k->out,
                any ? "%% Keys to be removed are named '%s'.\n"
                    : "%% No Signature %s Keys found in configuration.\n",
                any  ? (label ? label : "all")
                : ec ? "EC"
                     : "RSA");
    }
    return true;
}

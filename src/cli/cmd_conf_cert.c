/*
 * cmd_conf_cert.c: certificates on their way into the model: `crypto pki certificate chain` with its hexadecimal lines, what is
 * pasted at the terminal until `quit`, what stands in files; and requests (PKCS#10) on their way out. Walk: cfg_line (load.c) gives
 * the lines of a text to paste.take, which is here or in cmd_conf_key.c; pki/ reads them.
 */
#include "cli/cli_int.h"

#include "pki/pki.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASTE_HEX, PASTE_CA, PASTE_OWN, PASTE_PEM, PASTE_YES };
enum { TEXT_MAX = 256 * 1024 };

/* ---- files ---- */

char *cfg_file(struct cfg *k, const struct match *m, const char *arg, const char *url,
               size_t *out_len)
{
    char path[2 * CONF_TEXT + 2];
    struct stat st;
    const char *name = strncmp(url, "file:", 5) == 0 ? url + 5 : NULL;
    *out_len = 0;
    if (!name || !*name) {
        (void)cfg_fail(k, m, arg, "expected file:NAME; other places are not read");
        return NULL;
    }
    snprintf(path, sizeof path, "%s%s%s", *name == '/' ? "" : k->c->folder,
             *name == '/' || !k->c->folder[0] ? "" : "/", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool plain = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= PKI_CRL_MAX;
    char *text = plain ? xcalloc(1, (size_t)st.st_size + 1) : NULL;
    ssize_t n = 0;
    while (text && *out_len < (size_t)st.st_size &&
           (n = read(fd, text + *out_len, (size_t)st.st_size - *out_len)) > 0) {
        *out_len += (size_t)n;
    }
    if (!text) {
        (void)cfg_fail(k, m, arg, "%.120s: %.60s", path,
                       fd < 0 ? strerror(errno) : "no plain file of at most one megabyte");
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

/* ---- into the model ---- */

struct put {
    struct cfg *k;
    struct conf_trustpoint *t;
    bool dry;          /* only looks whether they could be */
    unsigned cas, own; /* put */
    const char *why;   /* the last that was not */
};

/* num_cas: how many CA certificates it has but this one. */
static unsigned num_cas(const struct conf_trustpoint *t, const u8 *der, size_t len)
{
    unsigned num = 0;
    CONF_FOR(struct conf_cert, x, &t->certs)
    {
        num += x->ca && !(x->der.len == len && memcmp(x->der.p, der, len) == 0);
    }
    return num;
}

static void put_cert(struct put *p, bool ca, const u8 *der, size_t len)
{
    struct pki_facts f;
    if (!pki_facts(&f, der, len)) {
        p->why = "this is no certificate";
    } else if (ca && num_cas(p->t, der, len) >= PKI_CHAIN_MAX) {
        p->why = "the trustpoint has 8 CA certificates, and more is not looked at";
    } else if (ca && !f.ca) {
        p->why = "this is not the certificate of a CA";
    } else if (!ca && f.kind == PKI_NO_KIND) {
        p->why = "its key is neither RSA nor ECDSA on P-256, P-384 or P-521";
    } else {
        if (!p->dry) {
            conf_cert_put(p->k->c, p->t, ca, f.serial, der, len, p->k->src);
        }
        p->cas += ca;
        p->own += !ca;
    }
}

static void on_ca(void *ctx, const u8 *der, size_t len)
{
    put_cert(ctx, true, der, len);
}

static void on_own(void *ctx, const u8 *der, size_t len)
{
    put_cert(ctx, false, der, len);
}

/* on_any: in a file that holds both, what may sign is the CA's. */
static void on_any(void *ctx, const u8 *der, size_t len)
{
    struct pki_facts f;
    put_cert(ctx, pki_facts(&f, der, len) && f.ca, der, len);
}

static void fingerprints(struct cfg *k, const struct pki_facts *f)
{
    sb_add(k->out, "Certificate has the following attributes:\n       Fingerprint MD5: ");
    for (unsigned i = 0; i < sizeof f->md5; i++) {
        sb_addf(k->out, "%02X%s", f->md5[i], i % 4 == 3 ? " " : "");
    }
    sb_add(k->out, "\n      Fingerprint SHA1: ");
    for (unsigned i = 0; i < sizeof f->sha1; i++) {
        sb_addf(k->out, "%02X%s", f->sha1[i], i % 4 == 3 ? " " : "");
    }
    sb_add(k->out, "\n\n");
}

/* ---- texts over several lines ---- */

static struct conf_trustpoint *named(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    struct conf_trustpoint *t = name ? conf_trustpoint_find(k->c, name) : NULL;
    if (!t) {
        (void)cfg_fail(k, m, "name",
                       "there is no such trustpoint; `crypto pki trustpoint NAME` makes it");
    }
    return t;
}

static bool take_text(struct cfg *k, const char *line);

static void paste_begin(struct cfg *k, u8 kind, const char *name)
{
    cfg_paste_end(k);
    k->paste.take = take_text;
    k->paste.kind = kind;
    str_copy(k->paste.name, sizeof k->paste.name, name);
}

/* hex_text: the DER of hexadecimal lines; malloced, NULL: other things stand there. */
static u8 *hex_text(const char *text, size_t *out_len)
{
    size_t n = 0, len = text ? strlen(text) : 0;
    char *digits = xcalloc(1, len + 1);
    u8 *der = xcalloc(1, len / 2 + 1);
    for (size_t i = 0; i < len; i++) {
        if (!isspace((unsigned char)text[i])) {
            digits[n++] = text[i];
        }
    }
    int got = hex_parse(der, len / 2 + 1, digits);
    free(digits);
    if (got <= 0) {
        free(der);
        return NULL;
    }
    *out_len = (size_t)got;
    return der;
}

static bool end_hex(struct cfg *k, struct put *p)
{
    size_t len;
    u8 *der = hex_text(k->paste.text.s, &len);
    if (!der) {
        return cfg_fail(k, NULL, NULL, "these are no whole hexadecimal bytes");
    }
    put_cert(p, k->paste.ca, der, len);
    free(der);
    return !p->why || cfg_fail(k, NULL, NULL, "%s", p->why);
}

static void on_first(void *ctx, const u8 *der, size_t len)
{
    struct pki_facts *f = ctx;
    if (!f->subject[0]) {
        (void)!pki_facts(f, der, len);
    }
}

/* ask_ca: a console is shown what it is about to trust, and asked. */
static bool ask_ca(struct cfg *k)
{
    struct pki_facts f = {0};
    const char *text = k->paste.text.s ? k->paste.text.s : "";
    pki_each_cert(text, strlen(text), on_first, &f);
    if (!f.ca) {
        return cfg_fail(k, NULL, NULL, "this is not the certificate of a CA");
    }
    fingerprints(k, &f);
    sb_add(k->out, "% Do you accept this certificate? [yes/no]: ");
    k->paste.kind = PASTE_YES;
    return true;
}

static bool end_cert(struct cfg *k, struct put *p, bool ca)
{
    const char *text = k->paste.text.s ? k->paste.text.s : "";
    unsigned num = pki_each_cert(text, strlen(text), ca ? on_ca : on_own, p);
    if (!num || p->why) {
        return cfg_fail(k, NULL, NULL, "%s",
                        p->why ? p->why : "no certificate in PEM or base64 stands there");
    }
    if (k->live) {
        sb_addf(k->out, "%s%% %s certificate successfully imported\n",
                ca ? "Trustpoint CA certificate accepted.\n" : "", ca ? "CA" : "Router");
    }
    return true;
}

/* take_key: the private key of a text becomes a pair with the trustpoint's name. */
static bool take_key(struct cfg *k, struct conf_trustpoint *t, const char *text, size_t len,
                     const char *pass)
{
    u8 der[PKI_DER_MAX];
    struct pki_key *key = pki_key_read(text, len, pass);
    size_t n = key ? pki_key_save(key, der, sizeof der) : 0;
    if (n) {
        bool ec = pki_key_kind(key) != PKI_RSA;
        conf_keypair_put(k->c, t->name, ec, (u16)pki_key_bits(key), der, n)->exportable =
            k->paste.exportable;
        str_copy(t->keypair, sizeof t->keypair, t->name);
        t->keypair_ec = ec;
        mem_wipe(der, n);
    }
    pki_key_free(key);
    return n > 0;
}

static bool import_pem(struct cfg *k, struct put *p, const char *text, size_t len, const char *pass)
{
    p->dry = true;
    pki_each_cert(text, len, on_any, p);
    if (!p->own || p->why) {
        return cfg_fail(k, NULL, NULL, "%s",
                        p->why ? p->why : "there is no certificate of the router");
    }
    if (!take_key(k, p->t, text, len, pass)) {
        return cfg_fail(k, NULL, NULL,
                        pki_has_key(text, len)
                            ? "the private key cannot be read; is the password right?"
                            : "there is no private key in PEM");
    }
    p->dry = false;
    pki_each_cert(text, len, on_any, p);
    if (k->live) {
        sb_add(k->out, "% PEM files import succeeded.\n");
    }
    return true;
}

/* pem_stage: CA, key, own certificate, each until `quit`, as IOS asks for them. True: the last has ended. */
static bool pem_stage(struct cfg *k)
{
    static const char *const asks[] = {"private key", "general purpose certificate"};
    if (k->paste.stage >= ARRAY_LEN(asks)) {
        return true;
    }
    if (k->live) {
        sb_addf(k->out, "%% Enter PEM-formatted %s.\n%% End with \"quit\" on a line by itself.\n",
                asks[k->paste.stage]);
    }
    k->paste.stage++;
    return false;
}

static bool answered(struct cfg *k, struct put *p, const char *line)
{
    if (strncasecmp(line, "yes", MAX(strlen(line), (size_t)1)) == 0) {
        return end_cert(k, p, true);
    }
    sb_add(k->out, "% Certificate not accepted\n");
    return true;
}

static bool ended(struct cfg *k, const char *line)
{
    struct put p = {.k = k, .t = conf_trustpoint_find(k->c, k->paste.name)};
    const char *text = k->paste.text.s ? k->paste.text.s : "";
    if (!p.t) {
        return cfg_fail(k, NULL, NULL, "the trustpoint has gone meanwhile");
    }
    switch (k->paste.kind) {
    case PASTE_HEX: return end_hex(k, &p);
    case PASTE_CA: return k->live ? ask_ca(k) : end_cert(k, &p, true);
    case PASTE_OWN: return end_cert(k, &p, false);
    case PASTE_YES: return answered(k, &p, line);
    default: return import_pem(k, &p, text, strlen(text), k->paste.pass[0] ? k->paste.pass : NULL);
    }
}

/* take_text: one line. A blank one ends what a console pastes, if it is one certificate. */
static bool take_text(struct cfg *k, const char *line)
{
    const char *word = line + strspn(line, " \t");
    bool one = k->paste.kind == PASTE_CA || k->paste.kind == PASTE_OWN;
    bool end = strcmp(word, "quit") == 0 || (!*word && k->live && one && k->paste.text.len);
    if (k->paste.kind != PASTE_YES && !end) {
        if (k->paste.text.len > TEXT_MAX) {
            cfg_paste_end(k);
            return cfg_fail(k, NULL, NULL, "this text is too long for a certificate");
        }
        sb_addf(&k->paste.text, "%s\n", line);
        return true;
    }
    if (k->paste.kind == PASTE_PEM && !pem_stage(k)) {
        return true;
    }
    bool asked = k->paste.kind == PASTE_YES, ok = ended(k, word);
    if (asked || k->paste.kind != PASTE_YES || !ok) {
        cfg_paste_end(k);
    }
    return ok;
}

/* ---- the commands ---- */

bool cfg_cert_chain(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    struct conf_trustpoint *t = name ? conf_trustpoint_find(k->c, name) : NULL;
    if (m->no) {
        while (t && !list_empty(&t->certs)) {
            list_remove(t->certs.next);
        }
        return true;
    }
    if (!t) {
        return named(k, m) != NULL;
    }
    cfg_enter(k, M_CHAIN, t);
    return true;
}

bool cfg_certificate(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    const char *serial = match_text(m, "serial");
    bool ca = match_has(m, "ca");
    if (m->no) {
        CONF_FOR(struct conf_cert, x, &t->certs)
        {
            if (x->ca == ca && (!serial || strcasecmp(serial + strspn(serial, "0"),
                                                      x->serial + strspn(x->serial, "0")) == 0)) {
                list_remove(&x->link);
            }
        }
        return true;
    }
    paste_begin(k, PASTE_HEX, t->name);
    k->paste.ca = ca;
    if (k->live) {
        sb_add(k->out, "Enter the certificate in hexidecimal representation....\n");
    }
    return true;
}

/* from_file: the trustpoint's `enrollment url file:NAME`, or NAME itself. */
static bool from_file(struct cfg *k, const struct match *m, struct conf_trustpoint *t, bool ca)
{
    struct put p = {.k = k, .t = t};
    size_t len;
    char *text = cfg_file(k, m, "name", t->enroll_url, &len);
    if (!text) {
        return false;
    }
    unsigned num = pki_each_cert(text, len, ca ? on_ca : on_own, &p);
    mem_wipe(text, len);
    free(text);
    return (num && !p.why) || cfg_fail(k, m, "name", "%.120s: %s", t->enroll_url,
                                       p.why ? p.why : "no certificate stands there");
}

static bool certificate_of(struct cfg *k, const struct match *m, bool ca)
{
    struct conf_trustpoint *t = named(k, m);
    if (!t) {
        return false;
    }
    if (t->enroll == CONF_ENROLL_URL) {
        return from_file(k, m, t, ca);
    }
    if (t->enroll == CONF_ENROLL_NONE) {
        return cfg_fail(
            k, m, "name",
            "say `enrollment terminal` or `enrollment url file:NAME` in the trustpoint first");
    }
    paste_begin(k, ca ? PASTE_CA : PASTE_OWN, t->name);
    if (k->live) {
        sb_addf(k->out,
                "\nEnter the base 64 encoded %scertificate.\nEnd with a blank line or the word "
                "\"quit\" on a line by itself\n\n",
                ca ? "CA " : "");
    }
    return true;
}

bool cfg_pki_authenticate(struct cfg *k, const struct match *m)
{
    return m->no ? cfg_fail(k, m, NULL, "use `no crypto pki certificate chain NAME`")
                 : certificate_of(k, m, true);
}

bool cfg_pki_import(struct cfg *k, const struct match *m)
{
    return m->no ? cfg_fail(k, m, NULL, "use `no crypto pki certificate chain NAME`")
                 : certificate_of(k, m, false);
}

/* add_file: one file more for an import; missing ones are fine when others may do. */
static bool add_file(struct cfg *k, const struct match *m, struct strbuf *all, const char *url,
                     const char *ext)
{
    char name[CONF_TEXT];
    size_t len;
    snprintf(name, sizeof name, "%.200s%s", url, ext);
    char *text = cfg_file(k, m, "url", name, &len);
    if (!text) {
        return false;
    }
    sb_addn(all, text, len);
    sb_add(all, "\n");
    mem_wipe(text, len);
    free(text);
    return true;
}

bool cfg_pki_import_pem(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name"), *url = match_text(m, "url"),
               *pass = match_text(m, "secret");
    if (m->no || !name) {
        return cfg_fail(k, m, NULL, "use `no crypto pki trustpoint NAME`");
    }
    bool fresh = !conf_trustpoint_find(k->c, name);
    struct conf_trustpoint *t = conf_trustpoint_get(k->c, name, k->src);
    if (url) { /* one file with all of it, or three, as IOS names them */
        struct strbuf all = {0};
        struct put p = {.k = k, .t = t};
        bool ok = (add_file(k, m, &all, url, ".ca") && add_file(k, m, &all, url, ".prv") &&
                   add_file(k, m, &all, url, ".crt")) ||
                  (sb_free(&all), add_file(k, m, &all, url, ""));
        k->paste.exportable = match_has(m, "exportable");
        ok = ok && import_pem(k, &p, all.s, all.len, pass);
        k->paste.exportable = false;
        sb_free(&all);
        if (!ok && fresh) {
            list_remove(&t->link);
        }
        return ok;
    }
    t->enroll = t->enroll ? t->enroll : CONF_ENROLL_TERMINAL;
    paste_begin(k, PASTE_PEM, name);
    k->paste.exportable = match_has(m, "exportable");
    str_copy(k->paste.pass, sizeof k->paste.pass, pass ? pass : "");
    if (k->live) {
        sb_add(k->out,
               "% Enter PEM-formatted CA certificate.\n% End with \"quit\" on a line by itself.\n");
    }
    return true;
}

bool cfg_pki_enroll(struct cfg *k, const struct match *m)
{
    char own[CONF_TEXT];
    u8 der[PKI_DER_MAX];
    struct conf_trustpoint *t = m->no ? NULL : named(k, m);
    const struct conf_keypair *pair = t ? conf_trustpoint_key(k->c, t) : NULL;
    if (!t) {
        return m->no ? cfg_fail(k, m, NULL, "a request cannot be taken back") : false;
    }
    if (!k->live) {
        return cfg_fail(k, m, NULL, "a request is made at a console, not by a file");
    }
    struct pki_key *key = pair && pair->der ? pki_key_open(pair->der, pair->len) : NULL;
    if (!key) {
        return cfg_fail(k, m, "name",
                        "the trustpoint has no key pair: `crypto key generate rsa` or `ec`, and "
                        "`rsakeypair LABEL`");
    }
    struct pki_request r = {.subject = t->subject,
                            .fqdn = strcmp(t->fqdn, "none") == 0 ? ""
                                    : t->fqdn[0]                 ? t->fqdn
                                                                 : conf_fqdn(k->c, own),
                            .ip = t->ip};
    size_t n = pki_request(key, &r, der, sizeof der);
    pki_key_free(key);
    if (!n) {
        return cfg_fail(k, m, "name", "subject-name \"%.80s\" is no name such as cn=R1,o=Example",
                        t->subject);
    }
    sb_addf(k->out,
            "%% Start certificate enrollment ..\n\n%% The subject name in the certificate will "
            "include: %s\n",
            t->subject);
    if (r.fqdn[0]) {
        sb_addf(k->out, "%% The fully-qualified domain name in the certificate will be: %s\n",
                r.fqdn);
    }
    sb_add(k->out, "Certificate Request follows:\n\n");
    pki_pem(k->out, "CERTIFICATE REQUEST", der, n);
    sb_add(k->out, "\n---End - This line not part of the certificate request---\n\n");
    return true;
}

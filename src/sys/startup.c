/*
 * startup.c: what a router keeps in its state directory: the configuration that `write memory` saved, and the master key of
 * encrypted pre-shared keys. Both are this router's alone (mode 0600), written beside and renamed, so a crash leaves the old
 * or the new one.
 *
 * Which configuration a router starts with: the operator's file is the source. What `write memory` saved was derived from it,
 * and says from which text of it (a hash in its head). While the file still holds that text the saved configuration is the
 * newer one and is used; once the operator has changed the file, the file is, and the saved one is set aside: it is not used
 * again, whatever text the file comes back to. Either is said in one line.
 *
 * A master key is kept until nothing saved needs it: what was saved under it must be readable at the next start.
 */
#include "sys/router_int.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD   "! saved by adit; made from a file with SHA-256 "
#define SAVED  "startup-config"
#define ASIDE  "startup-config.superseded"
#define MASTER "master-key"

/* write_beside: the text as path, whole or not at all. */
static bool write_beside(const char *path, const char *text, mode_t mode)
{
    char part[600], dir[600];
    size_t len = strlen(text), done = 0;
    snprintf(part, sizeof part, "%.590s.new", path);
    (void)unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    bool ok = fd >= 0 && fchmod(fd, mode) == 0;
    while (ok && done < len) {
        ssize_t n = write(fd, text + done, len - done);
        ok = n > 0 || (n < 0 && errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
    ok = ok && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0) {
        ok = close(fd) == 0 && ok;
    }
    if (!ok || rename(part, path) != 0) {
        why = ok ? errno : why;
        (void)unlink(part);
        errno = why;
        return false;
    }
    str_copy(dir, sizeof dir, path);
    fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) { /* the name, too, survives a power cut */
        (void)fsync(fd);
        close(fd);
    }
    return true;
}

bool startup_write(const char *path, const char *text)
{
    return write_beside(path, text, 0600);
}

/* forget: a text that holds keys. */
static void forget(char *text)
{
    if (text) {
        mem_wipe(text, strlen(text));
        free(text);
    }
}

static void place(const struct router *r, char out[512], const char *name)
{
    snprintf(out, 512, "%.480s/%s", r->opt->state_dir, name);
}

/* mark_of: the hash of a text, as the head of a saved configuration names it. */
static void mark_of(char out[2 * HASH_MAX + 1], const char *text)
{
    u8 h[HASH_MAX];
    hash_of(h, HASH_SHA256, &(struct iov){text, strlen(text)}, 1);
    hex_str(out, 2 * HASH_MAX + 1, h, hash_row(HASH_SHA256)->len);
}

char *startup_text(struct router *r, const char **out_from, bool say)
{
    char path[512], mark[2 * HASH_MAX + 1];
    char *file = cli_read_file(r->opt->config), *saved;
    int why = errno;
    place(r, path, SAVED);
    saved = cli_read_file(path);
    *out_from = r->opt->config;
    if (!saved) {
        errno = why;
        return file;
    }
    mark_of(mark, file ? file : "");
    bool fresh = strncmp(saved, HEAD, sizeof HEAD - 1) == 0 &&
                 strncmp(saved + sizeof HEAD - 1, mark, strlen(mark)) == 0;
    if (fresh && file) {
        if (say) {
            fprintf(stderr,
                    "aditd: starting with what `write memory` saved (%s); %s has not changed "
                    "since\n",
                    path, r->opt->config);
        }
        *out_from = SAVED;
        forget(file);
        return saved;
    }
    if (say && file) {
        fprintf(stderr,
                "aditd: starting with %s, which was changed after `write memory`; %s is not "
                "used\n",
                r->opt->config, path);
    }
    forget(saved);
    errno = why;
    return file;
}

void startup_loaded(struct router *r, const char *from)
{
    char path[512], aside[512];
    place(r, path, SAVED);
    place(r, aside, ASIDE);
    if (from == r->opt->config && rename(path, aside) != 0 && errno != ENOENT) {
        fprintf(stderr, "aditd: %s: %s\n", path, strerror(errno));
    }
}

/* ---- the master key ---- */

/* One line a key, in hexadecimal: the one in force ("-": none), then former ones. */
static void master_text(struct strbuf *out, const struct conf *c)
{
    char hex[2 * SECRET_MAX + 1];
    hex_str(hex, sizeof hex, c->master.b, c->master.len);
    sb_addf(out, "%s\n", c->master.len ? hex : "-");
    for (unsigned i = 0; i < CONF_FORMER && c->former[i].len; i++) {
        hex_str(hex, sizeof hex, c->former[i].b, c->former[i].len);
        sb_addf(out, "%s\n", hex);
    }
    mem_wipe(hex, sizeof hex);
}

void startup_master(struct router *r, struct conf *c)
{
    char path[512];
    u8 raw[SECRET_MAX];
    struct secret *into = &c->master;
    place(r, path, MASTER);
    char *text = cli_read_file(path), *rest = text, *line;
    while ((line = text ? strsep(&rest, "\n") : NULL) && into != c->former + CONF_FORMER) {
        int len = hex_parse(raw, sizeof raw, line);
        bool first = into == &c->master;
        if (first || len > 0) {
            secret_set(into, raw, len > 0 ? (size_t)len : 0);
            into = first ? c->former : into + 1;
        }
        mem_wipe(line, strlen(line));
    }
    mem_wipe(raw, sizeof raw);
    forget(text);
}

bool startup_keep_master(struct router *r)
{
    char path[512];
    struct strbuf text = {0};
    const struct conf *c = r->conf;
    bool any = c->master.len || c->former[0].len, ok = true;
    place(r, path, MASTER);
    char *saved = cli_read_file(path);
    master_text(&text, c);
    if (any && !(saved && strcmp(saved, text.s) == 0)) {
        ok = write_beside(path, text.s, 0600);
    } else if (!any && saved) {
        ok = unlink(path) == 0;
    }
    if (!ok) { /* it is tried again with the next line */
        ev_conf_fail(&r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str("master key"),
                                             .why = ev_textf("%s: %s", path, strerror(errno))});
    }
    mem_wipe(text.s, text.len);
    sb_free(&text);
    forget(saved);
    return ok;
}

/* reads: the operator's file is read by the master keys there are, the former one `without` left out. The whole of it, for a
 * key is bound to the section it stands in. */
static bool reads(const struct router *r, const char *file, unsigned without)
{
    struct conf *c = conf_new();
    struct strbuf errors = {0};
    unsigned keep = 0;
    c->master = r->conf->master;
    str_copy(c->folder, sizeof c->folder, r->conf->folder);
    for (unsigned i = 0; i < CONF_FORMER; i++) {
        if (i != without) {
            c->former[keep++] = r->conf->former[i];
        }
    }
    bool ok = cli_load(c, "", file, &errors);
    if (errors.s) { /* it quotes lines */
        mem_wipe(errors.s, errors.len);
    }
    sb_free(&errors);
    conf_free(c);
    return ok;
}

/* forget_former: what was saved just now is under the master key in force, so a former one is needed only when something in
 * the operator's file is under it. That file is not read while a saved configuration made from it is there, but it may be
 * tomorrow; of one that cannot be read (NULL, or it has faults) nobody knows what it needs. */
static void forget_former(struct router *r, const char *file)
{
    bool needed[CONF_FORMER] = {false};
    struct secret *former = r->conf->former;
    unsigned keep = 0;
    if (!file || !reads(r, file, CONF_FORMER)) {
        return;
    }
    for (unsigned i = 0; i < CONF_FORMER && strstr(file, "adit."); i++) {
        needed[i] = former[i].len && !reads(r, file, i);
    }
    for (unsigned i = 0; i < CONF_FORMER; i++) {
        if (needed[i]) {
            former[keep++] = former[i];
        }
    }
    while (keep < CONF_FORMER) {
        secret_wipe(&former[keep++]);
    }
    (void)startup_keep_master(r); /* one too many is no harm */
}

/* ---- saving ---- */

bool startup_save(struct router *r, const char *text)
{
    char path[512], mark[2 * HASH_MAX + 1];
    if (!startup_keep_master(r)) {
        return false; /* what is saved without its key could not be read again */
    }
    char *file = cli_read_file(r->opt->config);
    struct strbuf all = {0};
    mark_of(mark, file ? file : "");
    sb_addf(&all, HEAD "%s\n", mark);
    sb_add(&all, text);
    place(r, path, SAVED);
    bool ok = write_beside(path, all.s, 0600);
    mem_wipe(all.s, all.len);
    sb_free(&all);
    if (ok) {
        forget_former(r, file);
    }
    forget(file);
    return ok;
}

bool startup_save_file(struct router *r, const char *text, struct strbuf *where)
{
    char backup[600];
    struct stat st;
    struct strbuf all = {0};
    const char *path = r->opt->config;
    char *before = cli_read_file(path);
    mode_t mode = stat(path, &st) == 0 ? st.st_mode & 0777 : 0600;
    snprintf(backup, sizeof backup, "%.590s.bak", path);
    if (!before || !write_beside(backup, before, mode)) {
        sb_addf(where, "%s: %s; nothing was changed", before ? backup : path, strerror(errno));
        forget(before);
        return false;
    }
    cli_keep_comments(&all, text, before);
    bool ok = write_beside(path, all.s, mode);
    if (ok) {
        sb_addf(where, "%s is written, its former text is %s", path, backup);
        ok = startup_save(r, text); /* else the next start would take the file for newer */
    } else {
        sb_addf(where, "%s: %s", path, strerror(errno));
    }
    mem_wipe(all.s, all.len);
    sb_free(&all);
    forget(before);
    return ok;
}

/*
 * What main takes from ike and dp: every value and every field that may be wrong, one at a time; descriptors that come with
 * a value are counted and closed (src/sys/value.c, src/sys/chan.c).
 */
#include "sys/router_int.h"
#include "sys/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum value_fault dp_fault(const struct dp_msg *m)
{
    struct dp_msg copy = *m;
    return value_fault(CHILD_DP, &copy, sizeof copy);
}

static enum value_fault ike_fault(const struct ike_msg *m)
{
    struct ike_msg copy = *m;
    return value_fault(CHILD_IKE, &copy, sizeof copy);
}

/* One field spoiled: the value is refused; put back: it is fine. */
#define SPOILED(fault, m, member, bad)                                                             \
    do {                                                                                           \
        u8 was = *(u8 *)&(m).u.member;                                                             \
        *(u8 *)&(m).u.member = (u8)(bad);                                                          \
        assert_int_equal(fault(&(m)), VALUE_FIELD);                                                \
        *(u8 *)&(m).u.member = was;                                                                \
        assert_int_equal(fault(&(m)), VALUE_FINE);                                                 \
    } while (0)
#define UNENDED(fault, m, member)                                                                  \
    do {                                                                                           \
        memset((m).u.member, 'x', sizeof(m).u.member);                                             \
        assert_int_equal(fault(&(m)), VALUE_FIELD);                                                \
        (m).u.member[sizeof(m).u.member - 1] = 0;                                                  \
        assert_int_equal(fault(&(m)), VALUE_FINE);                                                 \
    } while (0)

static void data_plane(void **state)
{
    (void)state;
    struct dp_msg m = {.type = DP_SA};
    assert_int_equal(dp_fault(&m), VALUE_FINE);
    SPOILED(dp_fault, m, sa_info.sa.dir, 2);
    SPOILED(dp_fault, m, sa_info.sa.mode, 3);
    SPOILED(dp_fault, m, sa_info.sa.encr, ENCR_NUM);
    SPOILED(dp_fault, m, sa_info.sa.esn, 2);
    SPOILED(dp_fault, m, sa_info.sa.comp, COMP_NUM);
    SPOILED(dp_fault, m, sa_info.sa.auth, HASH_NUM);
    SPOILED(dp_fault, m, sa_info.sa.src.family, 5);
    SPOILED(dp_fault, m, sa_info.sa.dst.family, 1);
    SPOILED(dp_fault, m, sa_info.sa.sel.src.a.family, 7);
    SPOILED(dp_fault, m, sa_info.sa.sel.dst.len, 1);
    SPOILED(dp_fault, m, sa_info.sa.encap_src.a.family, 200);
    SPOILED(dp_fault, m, sa_info.sa.encap_dst.a.family, 200);
    SPOILED(dp_fault, m, sa_info.sa.encr_key.len, SECRET_MAX + 1);
    SPOILED(dp_fault, m, sa_info.sa.auth_key.len, SECRET_MAX + 1);
    SPOILED(dp_fault, m, sa_info.current, 2);
    m.u.sa_info.sa.sel.src = (struct prefix){{.family = AF_V4}, 32};
    SPOILED(dp_fault, m, sa_info.sa.sel.src.len, 33);
    m.u.sa_info.sa.sel.src = (struct prefix){{.family = AF_V6}, 128};
    SPOILED(dp_fault, m, sa_info.sa.sel.src.len, 129);
    m = (struct dp_msg){.type = DP_DROP_COUNT};
    SPOILED(dp_fault, m, drop_info.reason, DROP_NUM);
    static const u32 plain[] = {DP_FLOW, DP_TUNNEL, DP_END, DP_PONG};
    for (unsigned i = 0; i < ARRAY_LEN(plain); i++) {
        m = (struct dp_msg){.type = plain[i]};
        assert_int_equal(dp_fault(&m), VALUE_FINE);
    }
    static const u32 not_to_main[] = {0,         DP_CFG_BEGIN,   DP_CFG_PORT,
                                      DP_ADD_SA, DP_GET_SAS,     DP_ACQUIRE,
                                      DP_EXPIRE, DP_UNKNOWN_SPI, UINT32_MAX};
    for (unsigned i = 0; i < ARRAY_LEN(not_to_main); i++) {
        m = (struct dp_msg){.type = not_to_main[i]};
        assert_int_equal(dp_fault(&m), VALUE_TYPE);
    }
}

static void key_daemon(void **state)
{
    (void)state;
    struct ike_msg m = {.type = IKE_SA};
    assert_int_equal(ike_fault(&m), VALUE_FINE);
    SPOILED(ike_fault, m, sa.state, ST_NUM);
    SPOILED(ike_fault, m, sa.initiator, 2);
    SPOILED(ike_fault, m, sa.deleted, 0xff);
    SPOILED(ike_fault, m, sa.authenticated, 2);
    SPOILED(ike_fault, m, sa.local.a.family, 2);
    SPOILED(ike_fault, m, sa.remote.a.family, 10);
    SPOILED(ike_fault, m, sa.encr, ENCR_NUM);
    SPOILED(ike_fault, m, sa.hash, HASH_NUM);
    SPOILED(ike_fault, m, sa.dpd, 2);
    SPOILED(ike_fault, m, sa.nat, 2);
    SPOILED(ike_fault, m, sa.key_e.len, SECRET_MAX + 1);
    SPOILED(ike_fault, m, sa.iv.len, SECRET_MAX + 1);
    UNENDED(ike_fault, m, sa.id);
    UNENDED(ike_fault, m, sa.fail);
    m = (struct ike_msg){.type = IKE_CHILD};
    SPOILED(ike_fault, m, child.encr, ENCR_NUM);
    SPOILED(ike_fault, m, child.auth, HASH_NUM);
    SPOILED(ike_fault, m, child.ah, HASH_NUM);
    SPOILED(ike_fault, m, child.comp, COMP_NUM);
    SPOILED(ike_fault, m, child.mode, 3);
    SPOILED(ike_fault, m, child.sel.src.a.family, 3);
    SPOILED(ike_fault, m, child.local.a.family, 3);
    SPOILED(ike_fault, m, child.remote.a.family, 3);
    SPOILED(ike_fault, m, child.initiator, 2);
    SPOILED(ike_fault, m, child.closing, 2);
    m = (struct ike_msg){.type = IKE_WANT_CLIENT};
    SPOILED(ike_fault, m, want.local.family, 3);
    SPOILED(ike_fault, m, want.peer.family, 3);
    SPOILED(ike_fault, m, want.sel.src.a.family, 3);
    SPOILED(ike_fault, m, want.sel.dst.len, 200);
    m = (struct ike_msg){.type = IKE_FLOW};
    SPOILED(ike_fault, m, flow_info.negotiating, 2);
    UNENDED(ike_fault, m, flow_info.last_error);
    m = (struct ike_msg){.type = IKE_CFG_PSK};
    assert_int_equal(ike_fault(&m), VALUE_TYPE);
}

static void lengths(void **state)
{
    (void)state;
    struct dp_msg d = {.type = DP_PONG};
    struct ike_msg k = {.type = IKE_PONG};
    assert_int_equal(value_fault(CHILD_DP, &d, sizeof d), VALUE_FINE);
    assert_int_equal(value_fault(CHILD_DP, &d, sizeof d - 1), VALUE_LENGTH);
    assert_int_equal(value_fault(CHILD_DP, &d, sizeof d + 1), VALUE_LENGTH);
    assert_int_equal(value_fault(CHILD_DP, &d, 4), VALUE_LENGTH);
    assert_int_equal(value_fault(CHILD_IKE, &k, sizeof k - 8), VALUE_LENGTH);
}

/* Events: a child tells only of its own, texts end, and nobody writes to a terminal through them. */
static void events(void **state)
{
    (void)state;
    struct ike_msg m = {.type = IKE_EVENT, .u.event = {.id = EV_IKE_NOTIFY, .source = EVS_IKE}};
    struct evb_ike_notify *n = (struct evb_ike_notify *)(void *)m.u.event.body;
    n->name = ev_str("x\033[2J\ny\xff");
    assert_int_equal(value_fault(CHILD_IKE, &m, sizeof m), VALUE_FINE);
    assert_string_equal(n->name.s, "x?[2J?y?");
    memset(n->name.s, 'x', sizeof n->name.s);
    assert_int_equal(ike_fault(&m), VALUE_FIELD);
    n->name = ev_str("x");
    m.u.event.source = EVS_MAIN;
    assert_int_equal(ike_fault(&m), VALUE_FIELD);
    m.u.event.source = EVS_IKE;
    m.u.event.peer.family = 9;
    assert_int_equal(ike_fault(&m), VALUE_FIELD);
    m.u.event.peer.family = 0;
    static const u16 foreign[] = {EV_SYS_CONFIG, EV_CHILD_EXIT, EV_LINEPROTO, EV_DP_REPLAY,
                                  EV_IP_RCVD,    EV_NUM,        UINT16_MAX};
    for (unsigned i = 0; i < ARRAY_LEN(foreign); i++) {
        m.u.event.id = foreign[i];
        assert_int_equal(ike_fault(&m), VALUE_FOREIGN);
    }
    struct dp_msg d = {.type = DP_EVENT, .u.event = {.id = EV_DP_INV_SPI, .source = EVS_DP}};
    assert_int_equal(dp_fault(&d), VALUE_FINE);
    ((struct evb_dp_inv_spi *)(void *)d.u.event.body)->src.family = 77;
    assert_int_equal(dp_fault(&d), VALUE_FIELD);
    d.u.event.id = EV_IKE_SKEYID;
    assert_int_equal(dp_fault(&d), VALUE_FOREIGN);
    for (int f = 0; f <= VALUE_NUM; f++) { /* every reason has its sentence */
        assert_non_null(value_fault_text((enum value_fault)f));
    }
}

static unsigned open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned num = 0;
    assert_non_null(d);
    while (readdir(d)) {
        num++;
    }
    closedir(d);
    return num;
}

/* send_with: len bytes and num descriptors in one packet. */
static void send_with(int chan, size_t len, unsigned num)
{
    static u8 bytes[512];
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(40 * sizeof(int))];
    } control = {0};
    struct iovec v = {.iov_base = bytes, .iov_len = len};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    int fds[40];
    for (unsigned i = 0; i < num; i++) {
        fds[i] = 0;
    }
    if (num) {
        m.msg_control = control.room;
        m.msg_controllen = CMSG_SPACE(num * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS,
                              .cmsg_len = CMSG_LEN(num * sizeof(int))};
        memcpy(CMSG_DATA(c), fds, num * sizeof(int));
    }
    assert_int_equal(sendmsg(chan, &m, 0), len);
}

static void descriptors_are_counted(void **state)
{
    int pair[2], fd;
    u8 value[100];
    (void)state;
    assert_true(chan_pair(pair));
    unsigned before = open_descriptors();
    send_with(pair[0], 100, 0);
    assert_int_equal(chan_recv(pair[1], value, sizeof value, &fd), 100);
    assert_int_equal(fd, -1);
    send_with(pair[0], 100, 1);
    assert_int_equal(chan_recv(pair[1], value, sizeof value, &fd), 100);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    for (unsigned num = 2; num <= 40; num++) { /* two fit into the padding of a room for one */
        send_with(pair[0], 100, num);
        assert_int_equal(chan_recv(pair[1], value, sizeof value, &fd), 101);
        assert_int_equal(fd, -1);
        assert_int_equal(open_descriptors(), before);
    }
    send_with(pair[0], 101, 0); /* too long */
    assert_int_equal(chan_recv(pair[1], value, sizeof value, &fd), 101);
    send_with(pair[0], 101, 1); /* too long, with a descriptor */
    assert_int_equal(chan_recv(pair[1], value, sizeof value, &fd), 101);
    assert_int_equal(fd, -1);
    assert_int_equal(open_descriptors(), before);
    send_with(pair[0], 0, 1); /* beside nothing: read as the end, where nobody looks for one */
    assert_int_equal(chan_recv(pair[1], value, sizeof value, &fd), 0);
    assert_int_equal(fd, -1);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(chan_recv(pair[1], value, sizeof value, &fd), -1);
    close(pair[0]);
    assert_int_equal(chan_recv(pair[1], value, sizeof value, &fd), 0);
    close(pair[1]);
}

static unsigned fill(int chan, const u8 *value, size_t len)
{
    unsigned sent = 0;
    while (sent < 100000 && chan_send(chan, value, len, -1)) {
        sent++;
    }
    assert_int_equal(errno, EAGAIN);
    assert_true(sent > 10 && sent < 100000);
    return sent;
}

static bool same_file(int a, int b)
{
    struct stat x, y;
    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static u64 us_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}

/* full_pair: a channel that takes no value more; how many it took, and the descriptors open then. */
static unsigned full_pair(int pair[2], struct outbox *o, const u8 *value, size_t len,
                          unsigned *out_descriptors)
{
    outbox_init(o);
    assert_true(chan_pair(pair));
    *out_descriptors = open_descriptors();
    return fill(pair[0], value, len);
}

/* A value that the other side has no room for waits in the outbox, in order and with its descriptor; who sends does not. */
static void full_channel(void **state)
{
    int pair[2], fd;
    u8 value[4096] = {0}, in[4096];
    struct outbox o;
    (void)state;
    unsigned before, sent = full_pair(pair, &o, value, sizeof value, &before);
    u64 start = us_now();
    assert_false(outbox_send(&o, pair[0], value, sizeof value, -1, OUTBOX_LOSSY));
    assert_true(outbox_empty(&o));
    for (unsigned i = 1; i <= 3; i++) {
        value[0] = (u8)i;
        assert_true(
            outbox_send(&o, pair[0], value, sizeof value, i == 2 ? pair[1] : -1, OUTBOX_KEPT));
    }
    assert_true(us_now() - start < 500000);
    assert_false(outbox_flush(&o, pair[0]));
    assert_int_equal(open_descriptors(), before + 1);
    assert_int_equal(chan_recv(pair[1], in, sizeof in, &fd), sizeof in);
    assert_int_equal(in[0], 0);
    value[0] = 4; /* there is room for one again: the oldest has it, this one is behind all */
    assert_true(outbox_send(&o, pair[0], value, sizeof value, -1, OUTBOX_KEPT));
    for (unsigned i = 1; i < sent; i++) {
        assert_int_equal(chan_recv(pair[1], in, sizeof in, &fd), sizeof in);
        assert_int_equal(in[0], 0);
    }
    assert_true(outbox_flush(&o, pair[0]));
    for (u8 i = 1; i <= 4; i++) {
        assert_int_equal(chan_recv(pair[1], in, sizeof in, &fd), sizeof in);
        assert_int_equal(in[0], i);
        assert_int_equal(fd >= 0, i == 2);
        if (fd >= 0) {
            assert_true(same_file(fd, pair[1]));
            close(fd);
        }
    }
    assert_int_equal(open_descriptors(), before);
    close(pair[0]);
    close(pair[1]);
}

/* What a reader that never reads can make us keep has an end, and nothing of it stays when it is given up. */
static void outbox_has_an_end(void **state)
{
    enum { LEN = 1 << 20 };
    static u8 value[LEN];
    int pair[2];
    struct outbox o;
    unsigned kept = 0;
    (void)state;
    outbox_init(&o);
    assert_true(chan_pair(pair));
    unsigned before = open_descriptors();
    (void)fill(pair[0], value, 4096);
    while (kept < 1000 && outbox_send(&o, pair[0], value, LEN, pair[1], OUTBOX_KEPT)) {
        kept++;
    }
    assert_int_equal(kept, OUTBOX_BYTES / LEN);
    outbox_clear(&o);
    assert_true(outbox_empty(&o));
    assert_int_equal(o.bytes, 0);
    assert_int_equal(open_descriptors(), before);
    close(pair[1]);
    assert_false(outbox_send(&o, pair[0], value, 4096, -1, OUTBOX_KEPT)); /* nobody is there */
    assert_true(outbox_empty(&o));
    close(pair[0]);
}

/* Of the configurations that wait the last one goes, behind everything that was sent before it. */
static void newest_alone(void **state)
{
    int pair[2], fd;
    u8 value[4096] = {0}, in[4096];
    struct outbox o;
    (void)state;
    unsigned before, sent = full_pair(pair, &o, value, sizeof value, &before);
    for (unsigned i = 1; i <= 6; i++) {
        value[0] = (u8)i;
        assert_true(outbox_send(&o, pair[0], value, sizeof value, pair[1],
                                i == 1 || i == 4 ? OUTBOX_KEPT : OUTBOX_NEWEST));
    }
    assert_int_equal(o.bytes, 3 * sizeof value);
    assert_int_equal(open_descriptors(), before + 3);
    for (unsigned i = 0; i < sent; i++) {
        assert_int_equal(chan_recv(pair[1], in, sizeof in, &fd), sizeof in);
    }
    assert_true(outbox_flush(&o, pair[0]));
    for (unsigned i = 0; i < 3; i++) {
        static const u8 left[] = {1, 4, 6};
        assert_int_equal(chan_recv(pair[1], in, sizeof in, &fd), sizeof in);
        assert_int_equal(in[0], left[i]);
        close(fd);
    }
    assert_int_equal(open_descriptors(), before);
    close(pair[0]);
    close(pair[1]);
}

static void on_answer(void *ctx, struct answer *a)
{
    (void)a;
    ++*(unsigned *)ctx;
}

/* What a child says to a question that was given up is taken, in the order of the questions, once, of the right kinds and not
 * without end; what it was not asked, or answered already, is not. */
static void late_answers(void **state)
{
    struct router *r = xcalloc(1, sizeof *r);
    struct dp_sa_info sa = {0};
    unsigned answered = 0, given_up = 0;
    int pair[2];
    (void)state;
    assert_true(chan_pair(pair));
    r->env = env_real();
    uv_loop_init(&r->loop);
    ask_init(r);
    r->child[CHILD_DP] = (struct child){.r = r, .id = CHILD_DP, .chan = pair[0]};
    r->child[CHILD_IKE] = (struct child){.r = r, .id = CHILD_IKE, .chan = -1};
    outbox_init(&r->child[CHILD_DP].out);
    for (int i = 0; i < 3; i++) {
        ask(r, CHILD_DP, DP_GET_SAS, on_answer, &given_up);
    }
    ask(r, CHILD_IKE, IKE_GET_SAS, on_answer, &given_up); /* is not there: not asked */
    ask_cancel(r, &given_up);
    ask(r, CHILD_DP, DP_GET_FLOWS, on_answer, &answered);
    const struct {
        u32 type, tag;
        enum value_fault want;
    } says[] = {
        {DP_SA, 0, VALUE_UNASKED},   {DP_SA, 6, VALUE_UNASKED},      {DP_SA, 1, VALUE_FINE},
        {DP_SA, 1, VALUE_FINE},      {DP_CFG_FLOW, 1, VALUE_UNASKED}, {DP_END, 1, VALUE_FINE},
        {DP_END, 1, VALUE_UNASKED},  {DP_SA, 1, VALUE_UNASKED},      {DP_SA, 3, VALUE_FINE},
        {DP_SA, 2, VALUE_UNASKED},   {DP_END, 3, VALUE_FINE},        {DP_SA, 5, VALUE_UNASKED},
        {DP_END, 5, VALUE_FINE},     {DP_END, 5, VALUE_UNASKED},     {DP_END, 4, VALUE_UNASKED},
    };
    for (unsigned i = 0; i < ARRAY_LEN(says); i++) {
        assert_int_equal(ask_value(r, CHILD_DP, says[i].type, says[i].tag, &sa), says[i].want);
    }
    assert_int_equal(answered, 1);
    assert_int_equal(ask_value(r, CHILD_IKE, IKE_SA, 4, &sa), VALUE_UNASKED);
    ask(r, CHILD_DP, DP_GET_SAS, on_answer, &given_up); /* 6 */
    ask_cancel(r, &given_up);
    unsigned fine = 0;
    while (fine < 1000000 && ask_value(r, CHILD_DP, DP_SA, 6, &sa) == VALUE_FINE) {
        fine++;
    }
    assert_in_range(fine, 10000, 100000);
    assert_int_equal(ask_value(r, CHILD_DP, DP_SA, 6, &sa), VALUE_UNASKED);
    ask(r, CHILD_DP, DP_GET_SAS, on_answer, &given_up); /* 7 */
    ask_cancel(r, &given_up);
    ask_lost(r, CHILD_DP); /* the next dp was asked nothing */
    assert_int_equal(ask_value(r, CHILD_DP, DP_END, 7, &sa), VALUE_UNASKED);
    assert_int_equal(given_up, 0);
    uv_close((uv_handle_t *)&r->ask_late, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
    close(pair[0]);
    close(pair[1]);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(data_plane),
                                       cmocka_unit_test(key_daemon),
                                       cmocka_unit_test(lengths),
                                       cmocka_unit_test(events),
                                       cmocka_unit_test(descriptors_are_counted),
                                       cmocka_unit_test(full_channel),
                                       cmocka_unit_test(outbox_has_an_end),
                                       cmocka_unit_test(newest_alone),
                                       cmocka_unit_test(late_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

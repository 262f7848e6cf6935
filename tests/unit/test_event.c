/*
 * event: counting, filtering, rendering; and every row of events.def has a wording that names only its own fields.
 */
#include "event/event.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct ev_rec last;
static int seen;

static void sink(void *ctx, const struct ev_rec *rec)
{
    (void)ctx;
    last = *rec;
    seen++;
}

static u64 clock_at(void *ctx)
{
    (void)ctx;
    return 42;
}

static void filter_and_count(void **state)
{
    struct env env = {.now_ms = clock_at};
    struct evlog log;
    (void)state;
    evlog_init(&log, &env, EVS_MAIN, NULL, sink);
    log.mask = 0;
    seen = 0;
    ev_lineproto(&log, 0, NULL,
                 &(struct evb_lineproto){.ifname = ev_str("Tunnel0"), .state = ev_str("up")});
    assert_int_equal(seen, 0); /* nobody listens: only the counter moves */
    assert_int_equal(log.count[EV_LINEPROTO], 1);
    log.mask = EVC_LOG;
    ev_lineproto(&log, 0, NULL,
                 &(struct evb_lineproto){.ifname = ev_str("Tunnel0"), .state = ev_str("up")});
    assert_int_equal(seen, 1);
    assert_int_equal(last.time_ms, 42);
    struct strbuf b = {0};
    ev_render_text(&b, &last);
    assert_string_equal(
        b.s, "%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up");
    sb_free(&b);
    ev_render_json(&b, &last);
    json_t *o = json_loads(b.s, 0, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "ifname")), "Tunnel0");
    json_decref(o);
    sb_free(&b);
}

/* Every row, with every category listened to alone: it is heard when its own is, and only then; it is counted always. */
static void every_category(void **state)
{
    struct env env = {.now_ms = clock_at};
    static const u8 body[EV_BODY_MAX];
    (void)state;
    for (int id = 0; id < EV_NUM; id++) {
        struct evlog log;
        u64 times = 0;
        evlog_init(&log, &env, EVS_IKE, NULL, sink);
        assert_int_equal(log.mask, EVC_LOG); /* debug is off until it is asked for */
        for (u32 cat = 0; cat <= EVC_ISAKMP_DETAIL; cat = cat ? cat << 1 : 1) {
            for (int others = 0; others < 2; others++) { /* this one alone, all but this one */
                u32 mask = others ? ~cat : cat;
                bool wanted = (ev_info((enum ev_id)id)->cat & mask) != 0;
                log.mask = mask;
                seen = 0;
                ev_emit(&log, (enum ev_id)id, 7, NULL, body, sizeof body);
                assert_int_equal(ev_on(&log, (enum ev_id)id), wanted);
                assert_int_equal(seen, wanted);
                assert_int_equal(log.count[id], ++times);
            }
        }
    }
}

/* fill: a value in a field that is found again in what is rendered; of a secret nothing may be. */
static void fill(struct ev_rec *rec, const struct ev_field *f, unsigned n)
{
    u8 *p = rec->body + f->offset;
    struct addr a = addr_v4(0x0a0a0000 + n);
    u64 number = 7000000 + n;
    char text[32];
    snprintf(text, sizeof text, "text%u", n);
    struct ev_str s = ev_str(text);
    struct ev_text t = ev_textf("%s", text);
    struct ev_key k = ev_key("S3CRETS3CRETS3CRET", 18);
    switch (f->type) {
    case 'U': memcpy(p, &number, sizeof number); break;
    case 'A': memcpy(p, &a, sizeof a); break;
    case 'S': memcpy(p, &s, sizeof s); break;
    case 'T': memcpy(p, &t, sizeof t); break;
    default: memcpy(p, &k, sizeof k); break;
    }
}

static bool shown(const struct strbuf *b, const struct ev_field *f, unsigned n)
{
    char want[32];
    snprintf(want, sizeof want, f->type == 'U' ? "%u" : f->type == 'A' ? "10.10.%u.%u" : "text%u",
             f->type == 'U' ? 7000000 + n : f->type == 'A' ? n >> 8 : n, n & 0xff);
    return strstr(b->s, want) != NULL;
}

static void every_row(void **state)
{
    unsigned secrets = 0;
    (void)state;
    for (int id = 0; id < EV_NUM; id++) {
        struct ev_rec rec = {.id = (u16)id, .conn = 1};
        struct strbuf text = {0}, json = {0};
        const struct ev_info *i = ev_info((enum ev_id)id);
        bool secret = false;
        for (unsigned f = 0; f < i->num_fields; f++) {
            fill(&rec, &i->field[f], f);
            secret |= i->field[f].type == 'K';
        }
        sb_add(&text, "");
        ev_render_text(&text, &rec);
        if (strchr(text.s, '{')) {
            fail_msg("%s: the wording names a field that is not there: %s", i->id, text.s);
        }
        ev_render_json(&json, &rec);
        json_t *o = json_loads(json.s, 0, NULL);
        assert_non_null(o);
        json_decref(o);
        assert_true(i->num_fields < 16 && i->level <= LV_DEBUG && i->cat != 0);
        for (unsigned f = 0; f < i->num_fields;
             f++) { /* a wording that names every field, in every form */
            char wording[256];
            const char *n = i->field[f].name;
            snprintf(wording, sizeof wording, "{%s} {%s:x} {%s:X8} {%s:b4}", n, n, n, n);
            ev_render_wording(&text, &rec, wording);
        }
        const struct strbuf *both[] = {&text, &json};
        for (unsigned b = 0; b < 2; b++) { /* S3CRET, and its bytes in hex */
            if (strstr(both[b]->s, "S3CRET") || strstr(both[b]->s, "533343524554") ||
                strstr(both[b]->s, "53 33 43")) {
                fail_msg("%s tells a secret: %s", i->id, both[b]->s);
            }
        }
        for (unsigned f = 0; f < i->num_fields; f++) { /* each field is where the list says */
            assert_true(i->field[f].type == 'K' || shown(&json, &i->field[f], f));
        }
        assert_true(!secret || strstr(json.s, "<redacted>"));
        secrets += secret;
        sb_free(&text);
        sb_free(&json);
    }
    assert_true(secrets > 0); /* there is a row that could tell one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(filter_and_count),
                                       cmocka_unit_test(every_category),
                                       cmocka_unit_test(every_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

static void every_row(void **state)
{
    (void)state;
    for (int id = 0; id < EV_NUM; id++) {
        struct ev_rec rec = {.id = (u16)id, .conn = 1};
        struct strbuf text = {0}, json = {0};
        const struct ev_info *i = ev_info((enum ev_id)id);
        ev_render_text(&text, &rec);
        if (text.s && strchr(text.s, '{')) {
            fail_msg("%s: the wording names a field that is not there: %s", i->id, text.s);
        }
        ev_render_json(&json, &rec);
        json_t *o = json_loads(json.s, 0, NULL);
        assert_non_null(o);
        json_decref(o);
        assert_true(i->num_fields < 16 && i->level <= LV_DEBUG && i->cat != 0);
        sb_free(&text);
        sb_free(&json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(filter_and_count),
                                       cmocka_unit_test(every_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * env.c: the real clock and the real randomness. The only place outside tests that provides them.
 */
#include "base/base.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static u64 real_now_ms(void *ctx)
{
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static void real_random(void *ctx, u8 *out, size_t len)
{
    (void)ctx;
    while (len) {
        ssize_t n = getrandom(out, len, 0);
        if (n <= 0) {
            abort(); /* going on with weak keys would be worse */
        }
        out += n, len -= (size_t)n;
    }
}

static u64 real_wall_s(void *ctx)
{
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (u64)t.tv_sec;
}

struct env env_real(void)
{
    return (struct env){.ctx = NULL, .now_ms = real_now_ms, .random = real_random, .wall_s = real_wall_s};
}

u64 env_wall_s(const struct env *env)
{
    return env->wall_s ? env->wall_s(env->ctx) : 0;
}

u64 env_now_ms(const struct env *env)
{
    return env->now_ms(env->ctx);
}

void env_random(const struct env *env, u8 *out, size_t len)
{
    env->random(env->ctx, out, len);
}

u32 env_random_u32(const struct env *env)
{
    u32 v = 0;
    while (!v) {
        env_random(env, (u8 *)&v, sizeof v);
    }
    return v;
}

/*
 * The cage tried from inside (src/sys/rights.c, src/sys/identity.c): a process drops its rights as ike or dp does and then
 * does what it may, and what it may not, one call at a time; a forbidden call must be its death. Built without sanitizers,
 * whose run time needs calls that the cage forbids. Needs root; else everything is skipped.
 */
#include "sys/sys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UID = 2000008000 };

static void *page;  /* one page, made before */
static pid_t other; /* the test itself */

/* ---- what is tried ---- */

static void nothing(void) {}
static void memory(void)
{
    for (size_t n = 16; n < 64u << 20; n *= 4) { /* small and large, kept and given back */
        char *p = malloc(n);
        memset(p, 1, n);
        p = realloc(p, 2 * n);
        free(p);
    }
}
static void cipher(void)
{
    u8 key[16] = {0}, in[64] = {0}, out[80];
    int len;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c || EVP_EncryptInit_ex(c, EVP_aes_128_cbc(), NULL, key, key) != 1 ||
        EVP_EncryptUpdate(c, out, &len, in, sizeof in) != 1) {
        _exit(3);
    }
    EVP_CIPHER_CTX_free(c);
}
static void values(void)
{
    int pair[2] = {-1, -1};
    char b = 0;
    (void)send(pair[0], &b, 1, MSG_DONTWAIT); /* the call is allowed; the descriptor is bad */
    struct timespec t;
    (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    (void)syscall(SYS_getrandom, &b, 1, 0);
}
static void own_abort(void)
{
    abort();
}
static void open_file(void)
{
    (void)open("/etc/passwd", O_RDONLY);
}
static void open_old(void)
{
    (void)syscall(SYS_open, "/etc/passwd", O_RDONLY);
}
static void make_socket(void)
{
    (void)socket(AF_INET, SOCK_DGRAM, 0);
}
static void connect_out(void)
{
    (void)connect(0, NULL, 0);
}
static void kill_other(void)
{
    (void)kill(other, 0);
}
static void kill_self(void)
{
    (void)kill(getpid(), SIGTERM);
}
static void signal_other_thread(void)
{
    (void)syscall(SYS_tgkill, other, other, 0);
}
static void map_code(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void make_code(void)
{
    (void)mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
static void make_code_by_key(void)
{
    (void)syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1);
}
static void run_program(void)
{
    (void)execl("/bin/true", "true", (char *)NULL);
}
static void new_process(void)
{
    (void)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}
static void new_process_old(void)
{
    (void)syscall(SYS_fork);
}
static void trace(void)
{
    (void)ptrace(PTRACE_ATTACH, other, NULL, NULL);
}
static void read_other(void)
{
    (void)syscall(SYS_process_vm_readv, other, NULL, 0, NULL, 0, 0);
}
static void become_root(void)
{
    (void)syscall(SYS_setuid, 0);
}
static void be_dumpable(void)
{
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
static void memory_file(void)
{
    (void)syscall(SYS_memfd_create, "x", 0);
}
static void control(void)
{
    (void)syscall(SYS_ioctl, 0, 0, 0);
}
static void read_it(void)
{
    char b;
    (void)!syscall(SYS_read, -1, &b, 1);
}
static void receive_many(void)
{
    (void)syscall(SYS_recvmmsg, -1, NULL, 0, 0, NULL);
}
static void send_many(void)
{
    (void)syscall(SYS_sendmmsg, -1, NULL, 0, 0);
}
static void set_option(void)
{
    int on = 1;
    (void)setsockopt(0, SOL_SOCKET, SO_MARK, &on, sizeof on);
}

/* caged: the wait status of a process that drops its rights and then does this. */
static int caged(enum rights_role role, void (*what)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        const char *why;
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        cipher(); /* as crypto_warm_up() does */
        if (!rights_drop(role, UID, &why)) {
            _exit(2);
        }
        what();
        _exit(0);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static void inside(void **state)
{
    static void (*const may[])(void) = {nothing, memory, cipher, values};
    static void (*const may_not[])(void) = {
        open_file,   open_old,         make_socket, connect_out,
        kill_other,  kill_self,        map_code,    signal_other_thread,
        make_code,   make_code_by_key, run_program, new_process,
        trace,       new_process_old,  read_other,  become_root,
        be_dumpable, memory_file,      control,     set_option};
    static void (*const of_dp[])(void) = {read_it, receive_many, send_many};
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    other = getpid();
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    for (int role = RIGHTS_IKE; role <= RIGHTS_DP; role++) {
        for (unsigned i = 0; i < ARRAY_LEN(may); i++) {
            int status = caged((enum rights_role)role, may[i]);
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                fail_msg("role %d may not do what it must, %u: status %x", role, i, status);
            }
        }
        for (unsigned i = 0; i < ARRAY_LEN(may_not); i++) {
            int status = caged((enum rights_role)role, may_not[i]);
            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) {
                fail_msg("role %d may do forbidden thing %u: status %x", role, i, status);
            }
        }
        for (unsigned i = 0; i < ARRAY_LEN(of_dp); i++) { /* what only packets need is dp's */
            int status = caged((enum rights_role)role, of_dp[i]);
            if (role == RIGHTS_DP ? status != 0 : !WIFSIGNALED(status)) {
                fail_msg("role %d, a call of dp's, %u: status %x", role, i, status);
            }
        }
        assert_int_equal(WTERMSIG(caged((enum rights_role)role, own_abort)), SIGABRT);
    }
    munmap(page, 4096);
}

static char *status_of(pid_t pid)
{
    static char text[8192];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = 0;
    close(fd);
    return text;
}

/* be_readable: this user already and dumpable, with the capabilities of root: so that what rights_drop does about dumps is
 * seen, and not what the kernel does by itself when the user changes. */
static bool be_readable(void)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setresgid(UID, UID, UID) != 0 ||
        setresuid(UID, UID, UID) != 0) {
        return false;
    }
    capng_get_caps_process();
    capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_SETUID, CAP_SETGID, CAP_SETPCAP, -1);
    return capng_apply(CAPNG_SELECT_CAPS) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

/* Seen from outside: who it is, that no group of its parent is left, and that its memory is nobody's to read. */
static void outside(void **state)
{
    gid_t groups[] = {1, 2, 3};
    int go[2], stay[2];
    char byte, path[64];
    struct stat st;
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(stay), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const char *why;
        close(stay[1]);
        if (setgroups(3, groups) != 0 || !be_readable() || !rights_drop(RIGHTS_DP, UID, &why)) {
            _exit(2);
        }
        byte = 1;
        (void)!write(go[1], &byte, 1);
        (void)!read(stay[0], &byte, 1);
        _exit(0);
    }
    close(go[1]);
    assert_int_equal(read(go[0], &byte, 1), 1);
    const char *s = status_of(pid);
    assert_non_null(strstr(s, "\nUid:\t2000008000\t2000008000\t2000008000\t2000008000\n"));
    assert_non_null(strstr(s, "\nGid:\t2000008000\t2000008000\t2000008000\t2000008000\n"));
    const char *left = strstr(s, "\nGroups:\t");
    assert_non_null(left);
    assert_int_equal(strspn(left + 9, " "), strcspn(left + 9, "\n")); /* none */
    assert_non_null(strstr(s, "\nCapPrm:\t0000000000000000\n"));
    assert_non_null(strstr(s, "\nCapEff:\t0000000000000000\n"));
    assert_non_null(strstr(s, "\nCapInh:\t0000000000000000\n"));
    assert_non_null(strstr(s, "\nCapBnd:\t0000000000000000\n"));
    assert_non_null(strstr(s, "\nNoNewPrivs:\t1\n"));
    assert_non_null(strstr(s, "\nSeccomp:\t2\n"));
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 0); /* not dumpable: not even its own user may open it */
    close(stay[1]);
    close(stay[0]);
    close(go[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Two routers never have the same ids; an id is free again when the last holder has ended, children included. */
static void identities(void **state)
{
    u32 a, b, again;
    const char *why;
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    int fd_a = identity_claim(&a, &why), fd_b = identity_claim(&b, &why);
    assert_true(fd_a >= 0 && fd_b >= 0);
    assert_true(b >= a + 2 || a >= b + 2);
    assert_true(identity_fits(a) && identity_fits(a + 1) && identity_fits(b));
    assert_false(identity_fits(0));
    assert_false(identity_fits(65534));
    assert_true(fcntl(fd_a, F_GETFD) & FD_CLOEXEC);
    int stay[2];
    assert_int_equal(pipe(stay), 0);
    pid_t pid = fork(); /* a child that outlives main */
    if (pid == 0) {
        char byte;
        close(stay[1]);
        (void)!read(stay[0], &byte, 1);
        _exit(0);
    }
    close(fd_a);
    int fd_c = identity_claim(&again, &why);
    assert_true(fd_c >= 0);
    assert_true(again != a && again != b);
    close(fd_c);
    close(stay[1]);
    close(stay[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    fd_a = identity_claim(&again, &why);
    assert_true(fd_a >= 0);
    assert_int_equal(again, a);
    close(fd_a);
    close(fd_b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(inside), cmocka_unit_test(outside),
                                       cmocka_unit_test(identities)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

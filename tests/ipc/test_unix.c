/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/ipc/test_unix.c — unix:PATH: the files it makes, takes over, and removes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/ipc/kit.h"

static const char *path_of(struct rig *r)
{
    return strchr(r->addr, ':') + 1;
}

static bool exists(const char *path, const char *suffix)
{
    struct stat st;
    char name[80];

    snprintf(name, sizeof name, "%s%s", path, suffix);
    return lstat(name, &st) == 0;
}

static void files(struct rig *r)
{
    struct stat st;

    rig_listen(r);
    must_eq(lstat(path_of(r), &st), 0);
    must(S_ISSOCK(st.st_mode));
    must_eq(st.st_mode & 0777, 0600);
    must(exists(path_of(r), ".lock"));
    must_eq(kc_ipc_listener_close(r->l), 0);
    r->l = NULL;
    must(!exists(path_of(r), "") && !exists(path_of(r), ".lock"));
}

START_TEST(a_socket_is_for_its_owner_only_and_goes_with_its_listener)
{
    try_plain(_i, files);
}
END_TEST

static void twice(struct rig *r)
{
    kc_ipc_listener_t *l;

    for (int i = 0; i < 3; i++) {
        rig_listen(r);
        must_eq(kc_ipc_listen(&l, r->addr, NULL), -EADDRINUSE);
        must_eq(kc_ipc_listen(&l, r->addr, NULL), -EADDRINUSE);
        rig_connect(r); // the first is unharmed
        must_eq(kc_ipc_close(r->c, KC_TRY), 0);
        kc_ipc_unref(r->served);
        must_eq(kc_ipc_listener_close(r->l), 0);
        r->c = r->served = NULL;
        r->l = NULL;
    }
}

START_TEST(two_listeners_of_one_process_cannot_share_an_address)
{
    try_plain(_i, twice);
}
END_TEST

static int bind_only(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(sa.sun_path, path);
    must_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void stale(struct rig *r)
{
    close(bind_only(path_of(r))); // as its owner's death leaves it
    rig_listen(r);
    rig_connect(r);
}

START_TEST(a_socket_whose_owner_is_gone_is_replaced)
{
    try_plain(_i, stale);
}
END_TEST

static void strangers(struct rig *r)
{
    kc_ipc_listener_t *l;
    int fd = bind_only(path_of(r));

    must_eq(listen(fd, 1), 0); // alive, though it knows nothing of our locks
    must_eq(kc_ipc_listen(&l, r->addr, NULL), -EADDRINUSE);
    close(fd);
    must_eq(unlink(path_of(r)), 0);

    fd = open(path_of(r), O_CREAT | O_WRONLY, 0600); // no socket at all
    must(fd >= 0);
    close(fd);
    must_eq(kc_ipc_listen(&l, r->addr, NULL), -EADDRINUSE);
    must(exists(path_of(r), ""));
    must_eq(unlink(path_of(r)), 0);
}

START_TEST(what_does_not_belong_to_us_is_never_removed)
{
    try_plain(_i, strangers);
}
END_TEST

static void bad_addresses(struct rig *r)
{
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;
    char name[300] = "unix:/tmp/";

    memset(name + 10, 'x', 200);
    must_eq(kc_ipc_listen(&l, name, NULL), -ENAMETOOLONG);
    must_eq(kc_ipc_connect(&c, name, NULL, KC_FOREVER), -ENAMETOOLONG);
    must_eq(kc_ipc_listen(&l, "unix:", NULL), -EINVAL);
    must_eq(kc_ipc_listen(&l, "unix:/nonexistent/s", NULL), -ENOENT);
    must_eq(kc_ipc_connect(&c, r->addr, NULL, KC_FOREVER), -ENOENT);
    must_eq(kc_ipc_connect(&c, r->addr, &(kc_ipc_opts_t){ .flags = KC_IPC_WAIT },
                           kc_in(KC_MS(20))), -ETIME);
    must_eq(kc_ipc_connect(&c, r->addr, &(kc_ipc_opts_t){ .max_frame = 100 }, KC_FOREVER),
            -EINVAL);
    must_eq(kc_ipc_listen(&l, r->addr, &(kc_ipc_opts_t){ .max_frame = 2 << 20 }), -EINVAL);
}

START_TEST(bad_addresses_have_their_own_codes)
{
    try_plain(_i, bad_addresses);
}
END_TEST

static int listen_later(void *arg)
{
    struct rig *r = *(struct rig **)arg;

    for (int i = 0; i < 100; i++)
        let_run();
    rig_listen(r);
    return 0;
}

static void waits(struct rig *r)
{
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, listen_later, &r, sizeof r, NULL), 0);
    r->client.flags = KC_IPC_WAIT;
    must_eq(kc_ipc_connect(&r->c, r->addr, &r->client, KC_FOREVER), 0);
    must_eq(kc_scope_close(&s), 0);
}

START_TEST(connecting_may_wait_for_a_server)
{
    try_plain(_i, waits);
}
END_TEST

static void nobody_answers(struct rig *r)
{
    kc_ipc_conn_t *c;
    int fd = bind_only(path_of(r));

    must_eq(listen(fd, 1), 0);
    must_eq(kc_ipc_connect(&c, r->addr, NULL, kc_in(KC_MS(20))), -ETIME);
    must_eq(kc_ipc_connect(&c, r->addr, NULL, KC_TRY), -EAGAIN);
    close(fd);
    must_eq(unlink(path_of(r)), 0);
}

START_TEST(a_handshake_that_nobody_answers_ends_at_the_deadline)
{
    try_plain(_i, nobody_answers);
}
END_TEST

static void accepting(struct rig *r)
{
    kc_ipc_conn_t *c[20], *served;

    rig_listen(r);
    must_eq(kc_ipc_accept(r->l, &served, KC_TRY), -EAGAIN);
    must_eq(kc_ipc_accept(r->l, &served, kc_in(KC_MS(5))), -ETIME);
    for (int i = 0; i < 20; i++)
        must_eq(kc_ipc_connect(&c[i], r->addr, NULL, KC_FOREVER), 0);
    for (int i = 0; i < 16; i++) { // the latest are remembered
        must_eq(kc_ipc_accept(r->l, &served, KC_FOREVER), 0);
        kc_ipc_unref(served);
    }
    for (int i = 0; i < 20; i++) // all are served
        must_eq(kc_ipc_close(c[i], KC_FOREVER), 0);
}

START_TEST(connections_are_served_though_nobody_accepts_them)
{
    try_plain(_i, accepting);
}
END_TEST

SUITE("ipc/unix", CASE_LOOP(a_socket_is_for_its_owner_only_and_goes_with_its_listener, WORKERS),
      CASE_LOOP(two_listeners_of_one_process_cannot_share_an_address, WORKERS),
      CASE_LOOP(a_socket_whose_owner_is_gone_is_replaced, WORKERS),
      CASE_LOOP(what_does_not_belong_to_us_is_never_removed, WORKERS),
      CASE_LOOP(bad_addresses_have_their_own_codes, WORKERS),
      CASE_LOOP(connecting_may_wait_for_a_server, WORKERS),
      CASE_LOOP(a_handshake_that_nobody_answers_ends_at_the_deadline, WORKERS),
      CASE_LOOP(connections_are_served_though_nobody_accepts_them, WORKERS))

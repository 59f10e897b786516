/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/io/test_fd.c — waiting for descriptors, on 1, 2 and 4 workers. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sched/kit.h"

struct wait {
    int fd;
    unsigned ev;
    kc_deadline_t dl;
    int got;
};

static int wait_fd(void *arg)
{
    struct wait *w = arg;
    w->got = kc_fd_wait(w->fd, w->ev, w->dl);
    return 0;
}

static void make_pair(int fd[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
}

static int several_waiters(void *unused)
{
    int fd[2];
    kc_co_t *co[3];
    char c = 'x';

    (void)unused;
    make_pair(fd);
    struct wait w[3] = { { fd[0], KC_RD, KC_FOREVER, 0 }, { fd[0], KC_RD, KC_FOREVER, 0 },
                         { fd[0], KC_WR, KC_FOREVER, 0 } };
    for (int i = 0; i < 2; i++) {
        co[i] = kt_spawn(wait_fd, &w[i]);
        kt_until_parked(co[i], KCI_WHY_FD);
    }
    co[2] = kt_spawn(wait_fd, &w[2]); // a writer does not wake readers
    kt_join(co[2]);
    ck_assert_int_eq(w[2].got, KC_WR);
    ck_assert(kt_is_parked(co[0], KCI_WHY_FD) && kt_is_parked(co[1], KCI_WHY_FD));
    ck_assert_int_eq(kc_write(fd[1], &c, 1, KC_FOREVER), 1);
    for (int i = 0; i < 2; i++) {
        kt_join(co[i]);
        ck_assert_int_eq(w[i].got & (int)KC_RD, KC_RD);
    }
    kc_fd_close(fd[0]);
    kc_fd_close(fd[1]);
    return 0;
}

START_TEST(several_coroutines_wait_for_one_descriptor)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), several_waiters, NULL), 0);
}
END_TEST

static int closing(void *unused)
{
    int fd[2];

    (void)unused;
    make_pair(fd);
    struct wait w = { fd[0], KC_RD, KC_FOREVER, 0 };
    kc_co_t *co = kt_spawn(wait_fd, &w);
    kt_until_parked(co, KCI_WHY_FD);
    ck_assert_int_eq(kc_fd_close(fd[0]), 0);
    kt_join(co);
    ck_assert_int_eq(w.got, -EBADF);
    ck_assert_int_eq(kc_fd_wait(fd[0], KC_RD, KC_TRY), -EBADF);
    ck_assert_int_eq(kc_fd_close(-1), -EBADF);
    kc_fd_close(fd[1]);
    return 0;
}

START_TEST(closing_wakes_who_waits_with_ebadf)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), closing, NULL), 0);
}
END_TEST

static int codes(void *unused)
{
    int fd[2];
    kc_scope_t s;

    (void)unused;
    make_pair(fd);
    ck_assert_int_eq(kc_fd_wait(fd[0], KC_RD, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_fd_wait(fd[0], KC_RD, kc_in(KC_MS(2))), -ETIME);
    ck_assert_int_eq(kc_fd_wait(fd[0], KC_RD, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_fd_wait(fd[0], KC_WR, kc_in(-1)), KC_WR);
    ck_assert_int_eq(kc_fd_wait(fd[0], 0, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_fd_wait(-1, KC_RD, KC_TRY), -EBADF);
    struct wait w = { fd[0], KC_RD, KC_FOREVER, 0 };
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_co_t *co = kt_spawn(wait_fd, &w);
    kt_until_parked(co, KCI_WHY_FD);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    kc_co_unref(co);
    ck_assert_int_eq(w.got, -ECANCELED);
    kc_fd_close(fd[1]);
    ck_assert_int_ne(kc_fd_wait(fd[0], KC_RD, KC_FOREVER) & (int)(KC_RD | KC_HUP), 0);
    kc_fd_close(fd[0]);
    return 0;
}

START_TEST(deadline_cancel_and_bad_arguments_have_their_codes)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), codes, NULL), 0);
}
END_TEST

/* ---- each waiter has a mask of its own ---- */

/* Fill the socket until it takes no more. */
static void fill_up(int fd)
{
    static char bulk[65536];

    while (kc_write(fd, bulk, sizeof bulk, KC_TRY) > 0) {}
}

static void empty_out(int fd)
{
    static char bulk[65536];

    while (kc_read(fd, bulk, sizeof bulk, KC_TRY) > 0) {}
}

static int both_directions(void *unused)
{
    int fd[2];

    (void)unused;
    make_pair(fd);
    fill_up(fd[0]);
    struct wait r = { fd[0], KC_RD, KC_FOREVER, 0 }, w = { fd[0], KC_WR, KC_FOREVER, 0 };
    struct wait any = { fd[0], KC_RD | KC_WR, KC_FOREVER, 0 };
    kc_co_t *reader = kt_spawn(wait_fd, &r), *writer = kt_spawn(wait_fd, &w);
    kt_until_parked(reader, KCI_WHY_FD);
    kt_until_parked(writer, KCI_WHY_FD);
    kc_co_t *either = kt_spawn(wait_fd, &any);
    kt_until_parked(either, KCI_WHY_FD);

    ck_assert_int_eq(write(fd[1], "x", 1), 1);
    kt_join(reader);
    kt_join(either);
    ck_assert_int_eq(r.got, KC_RD);
    ck_assert_int_eq(any.got, KC_RD);
    ck_assert(kt_is_parked(writer, KCI_WHY_FD));
    empty_out(fd[1]);
    kt_join(writer);
    ck_assert_int_eq(w.got, KC_WR);
    close(fd[0]);
    close(fd[1]);
    return 0;
}

START_TEST(an_event_wakes_those_who_asked_for_it_and_leaves_the_others)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), both_directions, NULL), 0);
}
END_TEST

static int some_leave(void *unused)
{
    enum { WAITERS = 30 };
    struct wait w[WAITERS];
    kc_co_t *co[WAITERS];
    int fd[2];

    (void)unused;
    make_pair(fd);
    for (int i = 0; i < WAITERS; i++) {
        w[i] = (struct wait){ fd[0], KC_RD, i % 3 ? KC_FOREVER : kc_in(KC_US(i * 20)), 0 };
        co[i] = kt_spawn(wait_fd, &w[i]);
    }
    for (int i = 0; i < WAITERS; i += 3)
        kt_join(co[i]);
    for (int i = 0; i < WAITERS; i++)
        if (i % 3)
            kt_until_parked(co[i], KCI_WHY_FD);
    ck_assert_int_eq(write(fd[1], "x", 1), 1);
    for (int i = 0; i < WAITERS; i++) {
        if (i % 3)
            kt_join(co[i]);
        ck_assert_int_eq(w[i].got, i % 3 ? (int)KC_RD : -ETIME);
    }
    close(fd[0]);
    close(fd[1]);
    return 0;
}

START_TEST(waiters_whose_deadline_passes_leave_the_others_waiting)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), some_leave, NULL), 0);
}
END_TEST

static int hang_up(void *unused)
{
    int fd[2];

    (void)unused;
    make_pair(fd);
    fill_up(fd[0]);
    struct wait r = { fd[0], KC_RD, KC_FOREVER, 0 }, w = { fd[0], KC_WR, KC_FOREVER, 0 };
    kc_co_t *reader = kt_spawn(wait_fd, &r), *writer = kt_spawn(wait_fd, &w);
    kt_until_parked(reader, KCI_WHY_FD);
    kt_until_parked(writer, KCI_WHY_FD);
    close(fd[1]);
    kt_join(reader);
    kt_join(writer);
    ck_assert_int_eq(r.got & (int)KC_HUP, KC_HUP);
    ck_assert_int_eq(w.got & (int)KC_HUP, KC_HUP);
    close(fd[0]);
    return 0;
}

START_TEST(the_end_of_the_other_side_wakes_everybody)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), hang_up, NULL), 0);
}
END_TEST

/* Deadlines that pass about when the bytes come: one answer, and the next wait is not confused. */
static int race_with_deadline(void *unused)
{
    int fd[2];
    char c;

    (void)unused;
    make_pair(fd);
    for (int i = 0; i < 500; i++) {
        struct wait w = { fd[0], KC_RD, kc_in(KC_US(i % 50)), 0 };
        kc_co_t *co = kt_spawn(wait_fd, &w);
        for (int k = 0; k < i % 7; k++)
            kc_yield();
        ck_assert_int_eq(write(fd[1], "x", 1), 1);
        kt_join(co);
        ck_assert(w.got == (int)KC_RD || w.got == -ETIME);
        ck_assert_int_eq(kc_fd_wait(fd[0], KC_RD, KC_FOREVER), KC_RD);
        ck_assert_int_eq(kc_read(fd[0], &c, 1, KC_TRY), 1);
        ck_assert_int_eq(kc_fd_wait(fd[0], KC_RD, KC_TRY), -EAGAIN);
    }
    close(fd[0]);
    close(fd[1]);
    return 0;
}

START_TEST(a_deadline_close_to_the_event_gives_one_answer)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race_with_deadline, NULL), 0);
}
END_TEST

/* The number stands for another file than before, behind the library's back. */
static int reuse(void *unused)
{
    int fd[2];
    char c = 'x';

    (void)unused;
    for (int round = 0; round < 20; round++) {
        make_pair(fd);
        struct wait w = { fd[0], KC_RD, KC_FOREVER, 0 };
        kc_co_t *co = kt_spawn(wait_fd, &w);
        kt_until_parked(co, KCI_WHY_FD);
        ck_assert_int_eq(kc_write(fd[1], &c, 1, KC_FOREVER), 1);
        kt_join(co);
        ck_assert_int_eq(w.got, KC_RD);
        close(fd[0]);
        close(fd[1]);
    }
    return 0;
}

START_TEST(a_number_that_was_closed_behind_our_back_can_be_waited_for_again)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), reuse, NULL), 0);
}
END_TEST

static int regular_file(void *unused)
{
    FILE *f = tmpfile();
    char text[8] = "";

    (void)unused;
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(kc_fd_wait(fileno(f), KC_RD, KC_FOREVER), KC_RD);
    ck_assert_int_eq(kc_writen(fileno(f), "hello", 5, KC_FOREVER), 5);
    ck_assert_int_eq(lseek(fileno(f), 0, SEEK_SET), 0);
    ck_assert_int_eq(kc_read(fileno(f), text, sizeof text, KC_FOREVER), 5);
    ck_assert_str_eq(text, "hello");
    fclose(f);
    return 0;
}

START_TEST(a_regular_file_is_always_ready)
{
    ck_assert_int_eq(kt_run(1, regular_file, NULL), 0);
}
END_TEST

START_TEST(a_plain_thread_waits_with_the_same_call)
{
    int fd[2];
    char c = 'x';

    make_pair(fd);
    ck_assert_int_eq(kc_fd_wait(fd[0], KC_RD, kc_in(KC_MS(2))), -ETIME);
    ck_assert_int_eq(kc_fd_wait(fd[0], KC_WR, KC_FOREVER), KC_WR);
    ck_assert_int_eq(kc_write(fd[1], &c, 1, KC_FOREVER), 1);
    ck_assert_int_eq(kc_fd_wait(fd[0], KC_RD, KC_FOREVER), KC_RD);
    ck_assert_int_eq(kc_read(fd[0], &c, 1, KC_TRY), 1);
    ck_assert_int_eq(kc_read(fd[0], &c, 1, KC_TRY), -EAGAIN);
    close(fd[0]);
    close(fd[1]);
}
END_TEST

SUITE("io/fd", CASE_WORKERS(several_coroutines_wait_for_one_descriptor),
      CASE_WORKERS(closing_wakes_who_waits_with_ebadf),
      CASE_WORKERS(an_event_wakes_those_who_asked_for_it_and_leaves_the_others),
      CASE_WORKERS(waiters_whose_deadline_passes_leave_the_others_waiting),
      CASE_WORKERS(the_end_of_the_other_side_wakes_everybody),
      CASE_WORKERS(a_deadline_close_to_the_event_gives_one_answer),
      CASE_WORKERS(deadline_cancel_and_bad_arguments_have_their_codes),
      CASE_WORKERS(a_number_that_was_closed_behind_our_back_can_be_waited_for_again),
      CASE(a_regular_file_is_always_ready), CASE(a_plain_thread_waits_with_the_same_call))

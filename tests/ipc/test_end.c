/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_end.c — how remote channels and connections end: closing, dropping, draining,
 * aborting; and where each element is afterwards.
 */
#include <string.h>

#include "tests/ipc/kit.h"

static struct told told;

static kc_chan_t *open_told(struct rig *r, const char *name, uint32_t window)
{
    kc_ipc_chan_spec_t spec = {
        .elem_size = 4, .window = window, .on_undelivered = tell, .arg = &told
    };

    memset(&told, 0, sizeof told);
    return open_spec(r, name, &spec);
}

static int told_count(void)
{
    return ka_load(&told.count, acquire); // E-TOLD
}

/* ---- the peer closes its handle ---- */

static void close_with_right(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 4, KC_PEER_SEND | KC_PEER_CLOSE);
    kc_chan_t *ch = open_chan(r, "x", 4, 0);

    for (int i = 0; i < 10; i++)
        must_eq(put(ch, i), 0);
    must_eq(kc_chan_close_why(ch, -ECANCELED), 0);
    must_eq(put(ch, 10), -EPIPE);
    for (int i = 0; i < 10; i++)
        must_eq(take(home), i);
    must_eq(take(home), -EPIPE);
    must_eq(kc_chan_why(home), -ECANCELED);
}

START_TEST(a_peer_with_the_right_closes_the_channel_after_its_last_item)
{
    try_rig(_i, close_with_right);
}
END_TEST

static void close_without_right(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 4, KC_PEER_SEND);
    kc_chan_t *ch = open_chan(r, "x", 4, 0);

    must_eq(put(ch, 1), 0);
    must_eq(kc_chan_close(ch), 0);
    must_eq(kc_chan_close(ch), -EALREADY);
    must_eq(put(ch, 2), -EPIPE);
    must_eq(take(home), 1);
    kc_chan_t *again = open_chan(r, "x", 4, 0); // whose OPEN went behind the FIN
    must_eq(put(again, 3), 0);
    must_eq(take(home), 3);
    must_eq(kc_chan_why(home), 0);
}

START_TEST(a_peer_without_the_right_ends_only_its_own_handle)
{
    try_rig(_i, close_without_right);
}
END_TEST

static void close_keeps_prefetched(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 8, KC_PEER_RECV);
    kc_chan_t *ch = open_chan(r, "x", 4, 0);

    for (int i = 0; i < 3; i++)
        must_eq(put(home, i), 0);
    until(kc_chan_len(ch) == 3);
    must_eq(kc_chan_close(ch), 0);
    for (int i = 0; i < 3; i++)
        must_eq(take(ch), i);
    must_eq(take(ch), -EPIPE);
}

START_TEST(a_closed_handle_still_gives_what_was_prefetched)
{
    try_rig(_i, close_keeps_prefetched);
}
END_TEST

static void cancel_handle(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 8, KC_PEER_RECV);
    kc_chan_t *ch = open_told(r, "x", 4);

    for (int i = 0; i < 8; i++)
        must_eq(put(home, i), 0);
    until(kc_chan_len(ch) == 4);
    must_eq(kc_chan_cancel(ch, -ETIME), 0);
    must_eq(take(ch), -EPIPE);
    must_eq(kc_chan_why(ch), -ETIME);
    ck_assert_int_ge(told_count(), 4); // discarding frees credit, so more may have come
    for (int i = 0; i < told_count(); i++) {
        must_eq(told.elem[i], i);
        must_eq(told.reason[i], KC_UNDELIV_CANCELED);
    }
}

START_TEST(cancelling_a_handle_discards_what_was_prefetched_through_the_hook)
{
    try_rig(_i, cancel_handle);
}
END_TEST

/* ---- the owner closes the exported channel ---- */

static void owner_closes_under_sender(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 0, KC_PEER_SEND);
    struct call waits = { .ch = open_told(r, "x", 3), .value = 3, .dl = KC_FOREVER };
    kc_scope_t s;

    for (int i = 0; i < 3; i++)
        must_eq(put(waits.ch, i), 0);
    must_eq(kc_scope_open(&s, NULL), 0);
    go_send(&s, &waits);
    until(senders_on(home) == 1 && senders_on(waits.ch) == 1);
    must_eq(take(home), 0);
    must_eq(kc_chan_close_why(home, -EINVAL), 0);
    must_eq(kc_scope_close(&s), 0);
    until(kc_chan_why(waits.ch) != 0);
    must_eq(kc_chan_why(waits.ch), -EINVAL);
    must_eq(put(waits.ch, 9), -EPIPE);
    int lost = waits.rc ? 2 : 3; // taking one may have freed the sender first
    if (waits.rc)
        must_eq(waits.rc, -EPIPE);
    until(told_count() == lost);
    for (int i = 0; i < lost; i++) {
        must_eq(told.elem[i], i + 1);
        must_eq(told.reason[i], KC_UNDELIV_LINK);
    }
}

START_TEST(closing_an_exported_channel_fails_remote_senders_and_reports_what_it_refused)
{
    try_rig(_i, owner_closes_under_sender);
}
END_TEST

static void owner_closes_idle(struct rig *r)
{
    kc_chan_t *in = export_chan(r, "in", 4, 8, KC_PEER_SEND);
    kc_chan_t *out = export_chan(r, "out", 4, 8, KC_PEER_RECV);
    kc_chan_t *to = open_chan(r, "in", 4, 0), *from = open_chan(r, "out", 4, 0);
    struct call waits = { .ch = from, .dl = KC_FOREVER };
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    go_recv(&s, &waits);
    until(receivers_on(from) == 1);
    must_eq(kc_chan_close_why(in, -ENOENT), 0);
    must_eq(kc_chan_close(out), 0);
    must_eq(kc_scope_close(&s), 0);
    must_eq(waits.rc, -EPIPE);
    must_eq(kc_chan_why(from), 1);
    until(kc_chan_why(to) == -ENOENT); // though it never sent anything
    must_eq(put(to, 1), -EPIPE);
}

START_TEST(peers_learn_of_a_close_without_having_sent_anything)
{
    try_rig(_i, owner_closes_idle);
}
END_TEST

static void owner_closes_drains(struct rig *r, uint32_t window)
{
    kc_chan_t *home = export_chan(r, "x", 4, 100, KC_PEER_RECV);

    for (int i = 0; i < 100; i++)
        must_eq(put(home, i), 0);
    must_eq(kc_chan_close_why(home, -ETIME), 0);
    kc_chan_t *ch = open_chan(r, "x", 4, window);
    for (int i = 0; i < 100; i++)
        must_eq(take(ch), i);
    must_eq(take(ch), -EPIPE);
    must_eq(kc_chan_why(ch), -ETIME);
}

static void owner_closes_drains_wide(struct rig *r)
{
    owner_closes_drains(r, 0);
}

static void owner_closes_drains_narrow(struct rig *r)
{
    owner_closes_drains(r, 1);
}

START_TEST(a_closed_exported_channel_drains_to_its_peers)
{
    try_rig(_i, _i < WORKERS ? owner_closes_drains_wide : owner_closes_drains_narrow);
}
END_TEST

static void owner_closes_both(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 8, KC_PEER_SEND | KC_PEER_RECV);
    kc_chan_t *ch = open_chan(r, "x", 4, 1);

    for (int i = 0; i < 5; i++)
        must_eq(put(home, i), 0);
    must_eq(kc_chan_close_why(home, -EINVAL), 0);
    int rc;
    until((rc = put(ch, 99)) != 0 && rc != -EAGAIN); // RESET comes first, FIN after the items
    must_eq(rc, -EPIPE);
    for (int i = 0; i < 5; i++)
        must_eq(take(ch), i);
    must_eq(take(ch), -EPIPE);
    must_eq(kc_chan_why(ch), -EINVAL);
}

START_TEST(a_closed_two_way_channel_refuses_first_and_drains_then)
{
    try_rig(_i, owner_closes_both);
}
END_TEST

/* ---- handles are dropped ---- */

static void drop_sender(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 0, KC_PEER_SEND);
    kc_chan_t *ch = open_told(r, "x", 0);

    for (int i = 0; i < 50; i++)
        must_eq(put(ch, i), 0);
    drop_chan(r, ch);
    for (int i = 0; i < 50; i++)
        must_eq(take(home), i);
    must_eq(told_count(), 0);
}

START_TEST(what_a_dropped_handle_accepted_is_still_delivered)
{
    try_rig(_i, drop_sender);
}
END_TEST

static void drop_receiver(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 100, KC_PEER_RECV);

    for (int i = 0; i < 100; i++)
        must_eq(put(home, i), 0);
    for (int i = 0; i < 30; i += 3) {
        kc_chan_t *ch = open_chan(r, "x", 4, 16);
        until(kc_chan_len(ch) == 16);
        for (int k = 0; k < 3; k++)
            must_eq(take(ch), i + k);
        drop_chan(r, ch);
    }
    until(kc_chan_len(home) == 70);
    for (int i = 30; i < 100; i++)
        must_eq(take(home), i);
}

START_TEST(what_a_dropped_handle_had_prefetched_goes_back_in_order)
{
    try_rig(_i, drop_receiver);
}
END_TEST

static void reuse_numbers(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 8, KC_PEER_SEND | KC_PEER_RECV);

    for (int i = 0; i < 3000; i++) {
        kc_chan_t *ch = open_chan(r, "x", 4, 4);
        must_eq(put(ch, i), 0);
        must_eq(take(ch), i);
        drop_chan(r, ch);
    }
    until(kc_chan_len(home) == 0);
    must_eq(get(home), -EAGAIN);
}

START_TEST(channels_can_be_opened_and_dropped_for_ever)
{
    try_rig(_i, reuse_numbers);
}
END_TEST

/* ---- the connection is closed ---- */

static void close_drains(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, KC_UNLIMITED, KC_PEER_SEND);
    kc_chan_t *ch = open_told(r, "x", 200);

    for (int i = 0; i < 200; i++)
        must_eq(put(ch, i), 0);
    must_eq(kc_ipc_close(r->c, KC_FOREVER), 0);
    r->c = NULL;
    must_eq(put(ch, 0), -EPIPE);
    must_eq(kc_chan_why(ch), -EPIPE);
    for (int i = 0; i < 200; i++)
        must_eq(take(home), i);
    must_eq(told_count(), 0);
    until(kc_ipc_why(r->served) != 0);
    must_eq(kc_ipc_why(r->served), -EPIPE);
}

START_TEST(closing_a_connection_first_sends_what_was_accepted)
{
    try_rig(_i, close_drains);
}
END_TEST

static void close_returns_prefetched(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 20, KC_PEER_RECV);
    kc_chan_t *ch = open_chan(r, "x", 4, 10);

    for (int i = 0; i < 20; i++)
        must_eq(put(home, i), 0);
    until(kc_chan_len(ch) == 10);
    must_eq(take(ch), 0);
    must_eq(kc_ipc_close(r->c, KC_FOREVER), 0);
    r->c = NULL;
    must_eq(take(ch), -EPIPE);
    for (int i = 1; i < 20; i++)
        must_eq(take(home), i);
    must_eq(get(home), -EAGAIN);
}

START_TEST(closing_a_connection_returns_what_was_not_received)
{
    try_rig(_i, close_returns_prefetched);
}
END_TEST

static void server_drains(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 10, KC_PEER_RECV);
    struct call waits = { .ch = open_chan(r, "x", 4, 0), .dl = KC_FOREVER };
    kc_scope_t s;

    for (int i = 0; i < 10; i++)
        must_eq(put(home, i), 0);
    until(kc_chan_len(waits.ch) == 10);
    must_eq(kc_ipc_close(r->served, kc_in(KC_MS(20))), -ETIME); // nobody receives: put back
    until(kc_ipc_why(r->c) && kc_chan_len(home) == 10);
    must_eq(take(waits.ch), -EPIPE);
    for (int i = 0; i < 10; i++)
        must_eq(take(home), i);

    must_eq(kc_ipc_close(r->c, KC_TRY), 0);
    rig_connect(r);
    waits.ch = open_chan(r, "x", 4, 0);
    for (int i = 0; i < 10; i++)
        must_eq(put(home, i), 0);
    until(kc_chan_len(waits.ch) == 10);
    must_eq(kc_scope_open(&s, NULL), 0);
    go_recv(&s, &waits);
    must_eq(kc_scope_close(&s), 0);
    struct call rest[9];
    must_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 9; i++) {
        rest[i] = waits;
        go_recv(&s, &rest[i]);
    }
    must_eq(kc_ipc_close(r->served, KC_FOREVER), 0);
    r->served = NULL;
    must_eq(kc_scope_close(&s), 0);
    for (int i = 0; i < 9; i++)
        must_eq(rest[i].rc, 0);
    until(kc_ipc_why(r->c) != 0);
    must_eq(kc_ipc_why(r->c), -EPIPE);
}

START_TEST(a_server_that_closes_waits_until_its_peer_received_what_it_was_sent)
{
    try_rig(_i, server_drains);
}
END_TEST

/* ---- the connection is lost ---- */

static void abort_reports(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 0, KC_PEER_SEND);
    struct call waits = { .ch = open_told(r, "x", 10), .value = 10, .dl = KC_FOREVER };
    int delivered = 0;
    kc_scope_t s;

    for (int i = 0; i < 10; i++)
        must_eq(put(waits.ch, i), 0);
    must_eq(kc_scope_open(&s, NULL), 0);
    go_send(&s, &waits);
    until(senders_on(waits.ch) == 1 && senders_on(home) == 1);
    must_eq(kc_ipc_close(r->c, KC_TRY), 0);
    r->c = NULL;
    must_eq(kc_scope_close(&s), 0);
    must_eq(waits.rc, -EPIPE);
    must_eq(told_count(), 10); // unconfirmed, whether it arrived or not
    for (int i = 0; i < 10; i++) {
        must_eq(told.elem[i], i);
        must_eq(told.reason[i] & ~(unsigned)KC_UNDELIV_MAYBE, KC_UNDELIV_LINK);
    }
    until(kc_ipc_why(r->served) == -ECONNRESET);
    while (take(home) == delivered && ++delivered < 10) // what had arrived is delivered
        if (!(told.reason[delivered] & KC_UNDELIV_MAYBE))
            break;
    for (int i = 0; i < delivered; i++)
        must_eq(told.reason[i], KC_UNDELIV_LINK | KC_UNDELIV_MAYBE);
}

START_TEST(aborting_reports_every_unconfirmed_element_once)
{
    try_rig(_i, abort_reports);
}
END_TEST

static void lost_consumer(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 100, KC_PEER_RECV);
    kc_chan_t *ch = open_chan(r, "x", 4, 50);

    for (int i = 0; i < 100; i++)
        must_eq(put(home, i), 0);
    until(kc_chan_len(ch) == 50);
    must_eq(kc_ipc_close(r->c, KC_TRY), 0);
    r->c = NULL;
    must_eq(take(ch), -EPIPE);
    until(kc_chan_len(home) == 100);
    for (int i = 0; i < 100; i++)
        must_eq(take(home), i);
    must_eq(get(home), -EAGAIN);
}

START_TEST(a_lost_consumers_elements_go_back_to_the_front_in_order)
{
    try_rig(_i, lost_consumer);
}
END_TEST

static void server_aborts(struct rig *r)
{
    export_chan(r, "in", 4, 0, KC_PEER_SEND);
    export_chan(r, "out", 4, 0, KC_PEER_RECV);
    struct call snd = { .ch = open_chan(r, "in", 4, 1), .dl = KC_FOREVER };
    struct call rcv = { .ch = open_chan(r, "out", 4, 1), .dl = KC_FOREVER };
    kc_chan_t *ch;
    kc_scope_t s;

    must_eq(put(snd.ch, 0), 0);
    must_eq(kc_scope_open(&s, NULL), 0);
    go_send(&s, &snd);
    go_recv(&s, &rcv);
    until(senders_on(snd.ch) == 1 && receivers_on(rcv.ch) == 1);
    must_eq(kc_ipc_close(r->served, KC_TRY), 0);
    r->served = NULL;
    must_eq(kc_scope_close(&s), 0);
    must_eq(snd.rc, -EPIPE);
    must_eq(rcv.rc, -EPIPE);
    must_eq(kc_chan_why(snd.ch), -ECONNRESET);
    must_eq(kc_chan_why(rcv.ch), -ECONNRESET);
    until(kc_ipc_why(r->c) != 0);
    must_eq(kc_ipc_why(r->c), -ECONNRESET);
    must_eq(put(snd.ch, 0), -EPIPE);
    must_eq(get(rcv.ch), -EPIPE);
    must_eq(kc_ipc_chan_open(r->c, "in", &(kc_ipc_chan_spec_t){ .elem_size = 4 }, &ch,
                             KC_FOREVER), -EPIPE);
}

START_TEST(a_lost_peer_fails_every_operation_with_epipe_and_the_reason_econnreset)
{
    try_rig(_i, server_aborts);
}
END_TEST

static void listener_closes(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 8, KC_PEER_RECV);
    struct call waits = { .ch = open_chan(r, "x", 4, 0), .dl = KC_FOREVER };
    kc_ipc_conn_t *c;
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    go_recv(&s, &waits);
    until(receivers_on(home) == 1);
    must_eq(kc_ipc_listener_close(r->l), 0);
    r->l = NULL;
    must_eq(kc_scope_close(&s), 0);
    must_eq(waits.rc, -EPIPE);
    must_eq(kc_chan_why(waits.ch), -ECONNRESET);
    must_eq(kc_ipc_connect(&c, r->addr, NULL, KC_FOREVER), -ENOENT);
    until(receivers_on(home) == 0);
    must_eq(put(home, 1), 0); // the channel itself lives on
}

START_TEST(closing_a_listener_aborts_its_connections)
{
    try_rig(_i, listener_closes);
}
END_TEST

/* ---- the runtime ends ---- */

static kc_chan_t *left_over;
static kc_ipc_conn_t *left_conn;

static void leave_all_open(struct rig *r)
{
    export_chan(r, "in", 4, 0, KC_PEER_SEND);
    left_over = open_chan(r, "in", 4, 5);
    for (int i = 0; i < 5; i++)
        must_eq(put(left_over, i), 0);
    kc_chan_ref(left_over);
    left_conn = r->c;
    r->c = NULL; // neither closed
    r->l = NULL;
}

START_TEST(what_is_left_open_is_closed_by_the_runtimes_end_and_may_still_be_used)
{
    int v = 1;

    try_rig_leaky(_i, leave_all_open);
    ck_assert_int_eq(put(left_over, 1), -EPIPE);
    ck_assert_int_eq(kc_chan_send(left_over, &v, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(kc_chan_recv(left_over, &v, KC_FOREVER), -EACCES);
    ck_assert_int_lt(kc_chan_why(left_over), 0);
    ck_assert_int_lt(kc_ipc_why(left_conn), 0);
    kc_chan_unref(left_over);
    kc_ipc_unref(left_conn);
    check_nothing_left();
}
END_TEST

SUITE("ipc/end",
      CASE_LOOP(a_peer_with_the_right_closes_the_channel_after_its_last_item, WORKERS),
      CASE_LOOP(a_peer_without_the_right_ends_only_its_own_handle, WORKERS),
      CASE_LOOP(a_closed_handle_still_gives_what_was_prefetched, WORKERS),
      CASE_LOOP(cancelling_a_handle_discards_what_was_prefetched_through_the_hook, WORKERS),
      CASE_LOOP(closing_an_exported_channel_fails_remote_senders_and_reports_what_it_refused,
                WORKERS),
      CASE_LOOP(peers_learn_of_a_close_without_having_sent_anything, WORKERS),
      CASE_LOOP(a_closed_exported_channel_drains_to_its_peers, 2 * WORKERS),
      CASE_LOOP(a_closed_two_way_channel_refuses_first_and_drains_then, WORKERS),
      CASE_LOOP(what_a_dropped_handle_accepted_is_still_delivered, WORKERS),
      CASE_LOOP(what_a_dropped_handle_had_prefetched_goes_back_in_order, WORKERS),
      CASE_LOOP(channels_can_be_opened_and_dropped_for_ever, WORKERS),
      CASE_LOOP(closing_a_connection_first_sends_what_was_accepted, WORKERS),
      CASE_LOOP(closing_a_connection_returns_what_was_not_received, WORKERS),
      CASE_LOOP(a_server_that_closes_waits_until_its_peer_received_what_it_was_sent, WORKERS),
      CASE_LOOP(aborting_reports_every_unconfirmed_element_once, WORKERS),
      CASE_LOOP(a_lost_consumers_elements_go_back_to_the_front_in_order, WORKERS),
      CASE_LOOP(a_lost_peer_fails_every_operation_with_epipe_and_the_reason_econnreset,
                WORKERS),
      CASE_LOOP(closing_a_listener_aborts_its_connections, WORKERS),
      CASE_LOOP(what_is_left_open_is_closed_by_the_runtimes_end_and_may_still_be_used, WORKERS))

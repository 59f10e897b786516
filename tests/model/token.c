/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/token.c — sched/cancel.c: whoever sees a token triggered sees why, and what was
 * done before; a child hears of it however close it comes; the last reference frees (E-REF).
 */
#include "tests/model/threads.h"

static struct kc_cancel *token;
static struct kc_cancel child;
static int box;

static void create(void)
{
    kcmc_assert(kc_cancel_create(&token, NULL) == 0);
    kcmc_name(&token->refs, "refs");
    kcmc_name(&token->why, "why");
    kcmc_name(&token->triggered, "triggered");
    kcmc_name(&token->lock.held, "lock");
}

static void create_for_two(void)
{
    create();
    kc_cancel_ref(token);
}

static void trigger(void)
{
    box = 42;
    kcmc_assert(kc_cancel_trigger(token, -EPIPE) == 0);
}

static void check_then_read(void)
{
    if (kc_cancel_check(token))
        kcmc_assert(box == 42 && kc_cancel_why(token) == -EPIPE);
}

static void ask_why(void)
{
    int why = kc_cancel_why(token);

    kcmc_assert(why == 0 || (why == -EPIPE && box == 42));
}

static void adopt(void)
{
    kci_cancel_init(&child, token, NULL);
    if (kc_cancel_check(&child)) // born triggered
        kcmc_assert(box == 42 && kc_cancel_why(&child) == -EPIPE);
}

static void child_is_triggered(void)
{
    kcmc_assert(kc_cancel_check(&child) && kc_cancel_why(&child) == -EPIPE);
}

static void trigger_and_let_go(void)
{
    (void)kc_cancel_trigger(token, -EPIPE);
    kc_cancel_unref(token);
}

static void use_and_let_go(void)
{
    box = kc_cancel_check(token);
    kc_cancel_unref(token);
}

/* A parent that is triggered while its child lets go. */
static struct kc_cancel *leaf;

static void create_leaf(void)
{
    create();
    kcmc_assert(kc_cancel_create(&leaf, token) == 0);
    kcmc_name(&leaf->refs, "leaf's refs");
}

static void let_go_of_leaf(void)
{
    kc_cancel_unref(leaf);
}

static const struct kcmc_model models[] = {
    { "who sees it triggered sees why", .setup = create, .thread = { trigger, check_then_read } },
    { "who asks why sees what was done before", .setup = create,
      .thread = { trigger, ask_why } },
    { "a child hears of it however close it comes", .setup = create,
      .thread = { trigger, adopt }, .check = child_is_triggered },
    { "the last reference frees", .setup = create_for_two,
      .thread = { trigger_and_let_go, use_and_let_go } },
    { "a child may go while its parent is triggered", .setup = create_leaf,
      .thread = { trigger_and_let_go, let_go_of_leaf } },
};

KCMC_MAIN(models)

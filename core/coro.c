/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/coro.c — switches, with the notes that sanitizers need around them.
 *
 * Without notes a switch is the assembly alone. With them, the leaving side leaves a record on
 * its own stack and the landing side, running as the post callback, tells the sanitizer where
 * it is before it runs the real one; until that runs nobody can continue `from`, so the record
 * is safe.
 */
#include "core/coro.h"

#include "arch/cpu.h"

#if KCI_NOTES
/* Else ASan may keep `l` outside the stack, in memory that it frees when the context ends. */
#define KCI_ON_STACK __attribute__((no_sanitize("address")))
struct landing {
    struct kci_coro *from, *to;
    void (*post)(void *);
    void *arg;
};

/* A thread's first deeds, such as clearing its errno, come before all that contexts do on
 * it; only this is told: what one context does there is still unordered to the next. */
static KCI_THREAD_LOCAL char thread_began;

KCI_OWNER_ONLY static void land(void *arg)
{
    struct landing l = *(struct landing *)arg;

    kci_note_in(&thread_began);
    kci_note_land(&l.from->note, &l.to->note);
    l.post(l.arg);
    kci_note_landed();
}
#else
#define KCI_ON_STACK
#endif

void kci_coro_thread(struct kci_coro *c)
{
    c->sp = NULL;
#if KCI_NOTES
    c->note = (struct kci_note){ 0 };
    kci_note_thread(&c->note);
    kci_note_out(&thread_began);
#endif
}

void kci_coro_init(struct kci_coro *c, void *lo, void *top, void (*entry)(void *), void *arg)
{
    c->sp = kci_ctx_make(top, entry, arg);
#if KCI_NOTES
    kci_note_create(&c->note, lo, (size_t)((char *)top - (char *)lo));
#else
    (void)lo;
#endif
}

void kci_coro_fini(struct kci_coro *c)
{
#if KCI_NOTES
    kci_note_destroy(&c->note);
#else
    (void)c;
#endif
}

KCI_OWNER_ONLY KCI_ON_STACK
void kci_coro_switch(struct kci_coro *from, struct kci_coro *to, void (*post)(void *),
                     void *arg)
{
#if KCI_NOTES
    struct landing l = { from, to, post, arg };
    kci_note_leave(&from->note, &to->note, 0);
    kci_ctx_switch(&from->sp, to->sp, land, &l);
#else
    kci_ctx_switch(&from->sp, to->sp, post, arg);
#endif
}

KCI_OWNER_ONLY KCI_ON_STACK
void kci_coro_end(struct kci_coro *from, struct kci_coro *to, void (*post)(void *), void *arg)
{
#if KCI_NOTES
    struct landing l = { from, to, post, arg };
    kci_note_leave(&from->note, &to->note, 1);
    kci_ctx_switch(&from->sp, to->sp, land, &l);
#else
    kci_ctx_switch(&from->sp, to->sp, post, arg);
#endif
}

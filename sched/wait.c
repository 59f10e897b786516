/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/wait.c — the ticket's moves. Each is one atomic instruction on the word; the table of
 * states is in wait.h.
 *
 * Edges
 *   E-WAKE   claimer's result → owner: DONE set with release, or through the run queue when the
 *            owner was parked when claimed; read with acquire
 *   E-CANCEL opening stores the word and then reads the token's flag; cancelling stores the
 *            flag and then reads the word. Both sequentially consistent: one of the two sees
 *            the other (store buffering). Without it a coroutine could sleep through its
 *            cancellation.
 */
#include "sched/wait.h"

#include "core/assert.h"

void kci_ticket_init(struct kci_ticket *tk, void (*wake)(struct kci_ticket *))
{
    // relaxed: not shared yet
    ka_store(&tk->word, KCI_TK_CLAIMED | KCI_TK_DONE, relaxed);
    tk->rc = tk->index = 0;
    tk->wake = wake;
}

uint64_t kci_ticket_open(struct kci_ticket *tk, bool shielded)
{
    uint64_t word = ka_load(&tk->word, relaxed); // relaxed: a closed word is its owner's
    uint64_t gen = (word >> KCI_TK_GEN_SHIFT) + 1;

    KCI_ASSERT(word & KCI_TK_DONE);
    ka_store(&tk->word, gen << KCI_TK_GEN_SHIFT | (shielded ? KCI_TK_SHIELDED : 0),
             seq_cst); // E-CANCEL open
    return gen;
}

bool kci_ticket_park(struct kci_ticket *tk)
{
    return ka_or(&tk->word, KCI_TK_PARKED, acq_rel) & KCI_TK_DONE; // E-WAKE in
}

bool kci_ticket_is_done(struct kci_ticket *tk)
{
    return ka_load(&tk->word, acquire) & KCI_TK_DONE; // E-WAKE in
}

static bool claim(struct kci_ticket *tk, uint64_t word, struct kci_claim *out)
{
    uint64_t gen = word >> KCI_TK_GEN_SHIFT;

    while (!(word & KCI_TK_CLAIMED) && word >> KCI_TK_GEN_SHIFT == gen) {
        if (ka_cas(&tk->word, &word, word | KCI_TK_CLAIMED, acq_rel, acquire)) { // E-WAKE open
            *out = (struct kci_claim){ tk, word, -1 };
            return true;
        }
    }
    return false;
}

bool kci_ticket_claim(struct kci_ticket *tk, uint64_t gen, struct kci_claim *out)
{
    uint64_t word = ka_load(&tk->word, acquire); // E-WAKE open: sees the owner's registration
    return word >> KCI_TK_GEN_SHIFT == gen && claim(tk, word, out);
}

bool kci_ticket_claim_any(struct kci_ticket *tk, struct kci_claim *out)
{
    uint64_t word = ka_load(&tk->word, seq_cst); // E-CANCEL trigger
    return !(word & KCI_TK_SHIELDED) && claim(tk, word, out);
}

void kci_claim_finish(struct kci_claim c, int rc)
{
    if (!c.tk)
        return;
    c.tk->rc = rc;
    c.tk->index = c.index;
    // Until DONE is set or wake was called the owner cannot leave: tk is alive. After it, hands
    // off.
    void (*wake)(struct kci_ticket *) = c.tk->wake;
    if (c.word & KCI_TK_PARKED) // nobody else writes a word that is claimed and parked
        ka_store(&c.tk->word, c.word | KCI_TK_CLAIMED | KCI_TK_DONE, release); // E-WAKE out
    else if (!(ka_or(&c.tk->word, KCI_TK_DONE, acq_rel) & KCI_TK_PARKED)) // E-WAKE out
        return;
    wake(c.tk);
}

bool kci_waiter_claim(struct kci_waiter *wt, struct kci_claim *out)
{
    kci_list_remove(&wt->node);
    if (!kci_ticket_claim(wt->tk, wt->gen, out))
        return false;
    out->index = wt->index;
    return true;
}

struct kci_waiter *kci_queue_claim(struct kci_list *queue, struct kci_claim *out)
{
    while (!kci_list_empty(queue)) {
        struct kci_waiter *wt = KCI_OF(queue->next, struct kci_waiter, node);
        if (kci_waiter_claim(wt, out))
            return wt;
    }
    out->tk = NULL;
    return NULL;
}

void kci_queue_claim_all(struct kci_list *queue, struct kci_list *won)
{
    struct kci_claim c;
    struct kci_waiter *wt;

    while ((wt = kci_queue_claim(queue, &c)))
        kci_list_push(won, &wt->node);
}

void kci_waiters_finish(struct kci_list *won, int rc)
{
    while (!kci_list_empty(won)) {
        struct kci_waiter *wt = KCI_OF(kci_list_pop(won), struct kci_waiter, node);
        kci_claim_finish((struct kci_claim){ wt->tk, 0, wt->index }, rc);
    }
}

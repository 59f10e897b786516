/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/typed.h — channels whose element type the compiler checks.
 *
 *     KC_CHAN_TYPE(ints, int)
 *     …
 *     kc_chan_t *ch;
 *     int rc = ints_make(&ch, 8), v;
 *     if (!rc) rc = ints_send(ch, 42, KC_FOREVER);
 *     if (!rc) rc = ints_recv(ch, &v, KC_FOREVER);
 *
 * The channel is an ordinary one.
 */
#ifndef KCORO_TYPED_H
#define KCORO_TYPED_H

#include <kcoro/chan.h>
#include <kcoro/select.h>

/*
 * KC_CHAN_TYPE(name, T) — defines, at file scope, for elements of type T (no array):
 *
 *     name_make(&ch, cap)        as kc_chan_make
 *     name_owned(cap)            as kc_chan_owned
 *     name_send(ch, value, dl)   as kc_chan_send, the element by value
 *     name_recv(ch, &value, dl)  as kc_chan_recv
 *     name_send_case(ch, &value), name_recv_case(ch, &value)
 *                                KC_SEND and KC_RECV, for selects
 *
 * Each Returns what that one does. Unused ones cost nothing and warn of nothing.
 */
#define KC_CHAN_TYPE(name, T)                                                                  \
    KCI_UNUSED static inline int name##_make(kc_chan_t **out, long cap)                        \
    {                                                                                          \
        return kc_chan_make(out, sizeof(T), cap);                                              \
    }                                                                                          \
    KCI_UNUSED static inline kc_chan_t *name##_owned(long cap)                                 \
    {                                                                                          \
        return kc_chan_owned(sizeof(T), cap);                                                  \
    }                                                                                          \
    KCI_UNUSED static inline int name##_send(kc_chan_t *ch, T value, kc_deadline_t dl)         \
    {                                                                                          \
        return kc_chan_send(ch, &value, dl);                                                   \
    }                                                                                          \
    KCI_UNUSED static inline int name##_recv(kc_chan_t *ch, T *value, kc_deadline_t dl)        \
    {                                                                                          \
        return kc_chan_recv(ch, value, dl);                                                    \
    }                                                                                          \
    KCI_UNUSED static inline kc_case_t name##_send_case(kc_chan_t *ch, T const *value)         \
    {                                                                                          \
        return kci_case_send(ch, value);                                                       \
    }                                                                                          \
    KCI_UNUSED static inline kc_case_t name##_recv_case(kc_chan_t *ch, T *value)               \
    {                                                                                          \
        return kci_case_recv(ch, value);                                                       \
    }

#endif

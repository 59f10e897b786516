// SPDX-License-Identifier: BSD-3-Clause
//
// second.cpp: a second opinion, by relacy, on two protocols whose models kcmc runs from the
// library's sources. Here they are written out once more, small: relacy wants C++ of its own.
//
//   idle<f>   E-IDLE: a producer publishes work and looks for a sleeper, a sleeper counts itself
//             and looks for work; f: with their fences
//   claim<r>  a ring's slot, published by tail; r: with release
//
// With them each must hold, and without them fail: else relacy would be no witness.
#include <relacy/relacy.hpp>

#include <cstdio>

template <bool fences>
struct idle : rl::test_suite<idle<fences>, 2> {
    rl::atomic<int> work, nidle;
    bool woken, found;

    void before()
    {
        work($) = 0;
        nidle($) = 0;
        woken = found = false;
    }

    void thread(unsigned i)
    {
        rl::atomic<int> &mine = i ? nidle : work, &other = i ? work : nidle;
        mine.store(1, rl::mo_relaxed, $);
        if (fences)
            rl::atomic_thread_fence(rl::mo_seq_cst, $);
        (i ? found : woken) = other.load(rl::mo_relaxed, $);
    }

    void after()
    {
        RL_ASSERT(woken || found);
    }
};

template <bool releases>
struct claim : rl::test_suite<claim<releases>, 3> {
    rl::atomic<unsigned> head, tail;
    rl::atomic<int> slot[2];
    rl::var<int> done[2];
    rl::var<int> runs[2];

    void before()
    {
        head($) = 0;
        tail($) = 0;
        for (int i = 0; i < 2; i++) {
            slot[i]($) = -1;
            done[i]($) = 0;
            runs[i]($) = 0;
        }
    }

    void take()
    {
        unsigned h = head.load(rl::mo_acquire, $), t = tail.load(rl::mo_acquire, $);
        while (h != t) {
            if (t - h > 2)
                return;
            int i = slot[h % 2].load(rl::mo_relaxed, $);
            if (head.compare_exchange_strong(h, h + 1, rl::mo_acq_rel, $)) {
                RL_ASSERT(done[i]($) == 1);
                runs[i]($) += 1;
                return;
            }
        }
    }

    void thread(unsigned who)
    {
        for (int i = 0; who == 0 && i < 2; i++) {
            done[i]($) = 1;
            slot[i].store(i, rl::mo_relaxed, $);
            tail.store(i + 1, releases ? rl::mo_release : rl::mo_relaxed, $);
        }
        take();
    }
};

template <typename test>
static bool holds()
{
    rl::test_params p;
    p.search_type = rl::sched_bound;
    p.context_bound = 3;
    bool good = rl::simulate<test>(p);
    std::printf("%s\n", good ? "holds" : "fails");
    return good;
}

int main()
{
    bool good = holds<idle<true>>();
    good &= !holds<idle<false>>();
    good &= holds<claim<true>>();
    good &= !holds<claim<false>>();
    return good ? 0 : 1;
}

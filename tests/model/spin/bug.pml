/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bug.pml — which planted bug this run has; 0: none. Chosen when the verifier runs (environment
 * variable BUG), so that one compilation serves all.
 */
bool is_begun = false;
#define begun is_begun

c_decl {
\#include <stdlib.h>
}

init {
    atomic {
        c_code { now.bug = getenv("BUG") ? atoi(getenv("BUG")) : 0; };
        is_begun = true
    }
}

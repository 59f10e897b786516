/* SPDX-License-Identifier: BSD-3-Clause */
/* 1 hello */
#include <kcoro/kcoro.h>
#include <stdio.h>
KC_CO(hello, const char *who;) { printf("hello, %s\n", my->who); return 0; }
KC_MAIN { return kc_go(hello, "world"); }              /* the root scope waits for it */

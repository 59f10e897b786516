/* SPDX-License-Identifier: BSD-3-Clause */
/* kcoro/kcoro.h — everything. Includes the headers below and nothing else. */
#ifndef KCORO_KCORO_H
#define KCORO_KCORO_H

#include <kcoro/actor.h>
#include <kcoro/base.h>
#include <kcoro/chan.h>
#include <kcoro/co.h>
#include <kcoro/context.h>
#include <kcoro/io.h>
#include <kcoro/ipc.h>
#include <kcoro/metrics.h>
#include <kcoro/raw.h>
#include <kcoro/runtime.h>
#include <kcoro/scope.h>
#include <kcoro/select.h>
#include <kcoro/sim.h>
#include <kcoro/sync.h>
#include <kcoro/test.h>
#include <kcoro/time.h>
#include <kcoro/transport.h>
#include <kcoro/typed.h>
#include <kcoro/zref.h>

#endif

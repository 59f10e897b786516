/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/runtime/program.h — the main function of program.c, under another name. */
#ifndef TESTS_RUNTIME_PROGRAM_H
#define TESTS_RUNTIME_PROGRAM_H

int kt_program(int argc, char **argv);

#endif

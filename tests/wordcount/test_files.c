/* SPDX-License-Identifier: BSD-3-Clause */
/* test_files.c — which files are found, and what the chunks made of them contain. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "examples/wordcount/files.h"
#include "examples/wordcount/source.h"
#include "tests/support/suite.h"
#include "tests/wordcount/naive.h"

/* Each case runs in a process and a directory of its own; the parent removes it. */
static char home[64];

static void in_a_new_directory(void)
{
    strcpy(home, "/tmp/wordcount-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    ck_assert_int_eq(chdir(home), 0);
}

static void leave(void)
{
    char command[128];

    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", home);
    ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *path, const char *text, size_t len)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

START_TEST(a_directory_is_walked_in_the_order_of_its_names)
{
    static const char *const wanted[] = { "d/B", "d/a/y", "d/a/z/1", "d/a.b", "d/c\nd" };
    struct files f = { 0 };

    in_a_new_directory();
    mkdir("d", 0700);
    mkdir("d/a", 0700);
    mkdir("d/a/z", 0700);
    mkdir("d/empty", 0700);
    for (size_t i = 5; i-- > 0;)
        write_text(wanted[i], "xyz");
    ck_assert_int_eq(files_add(&f, "d", NULL), 0);
    ck_assert_uint_eq(f.count, 5);
    ck_assert_uint_eq(f.bytes, 15);
    ck_assert_uint_eq(f.bad_count, 0);
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(f.list[i].path, wanted[i]);
    files_fini(&f);
    leave();
}
END_TEST

START_TEST(links_to_files_are_taken_and_everything_strange_is_skipped)
{
    struct files f = { 0 };

    in_a_new_directory();
    mkdir("d", 0700);
    mkdir("elsewhere", 0700);
    write_text("elsewhere/file", "text");
    ck_assert_int_eq(symlink("../elsewhere/file", "d/link"), 0);
    ck_assert_int_eq(symlink("../elsewhere", "d/dirlink"), 0);
    ck_assert_int_eq(symlink("nowhere", "d/dangling"), 0);
    ck_assert_int_eq(symlink("circle", "d/circle"), 0);
    ck_assert_int_eq(symlink("/dev/null", "d/device"), 0);
    ck_assert_int_eq(mkfifo("d/pipe", 0600), 0);
    ck_assert_int_eq(files_add(&f, "d", NULL), 0);
    ck_assert_uint_eq(f.count, 1);
    ck_assert_str_eq(f.list[0].path, "d/link");
    ck_assert_uint_eq(f.bad_count, 0);
    files_fini(&f);
    leave();
}
END_TEST

START_TEST(what_is_named_is_taken_as_it_is)
{
    struct files f = { 0 };

    in_a_new_directory();
    mkdir("real", 0700);
    write_text("real/file", "text");
    ck_assert_int_eq(symlink("real", "link"), 0);
    ck_assert_int_eq(files_add(&f, "link", NULL), 0);
    ck_assert_int_eq(files_add(&f, "/dev/null", NULL), 0);
    ck_assert_int_eq(files_add(&f, "missing", NULL), 0);
    ck_assert_uint_eq(f.count, 2);
    ck_assert_str_eq(f.list[0].path, "link/file");
    ck_assert_str_eq(f.list[1].path, "/dev/null");
    ck_assert_uint_eq(f.bad_count, 1);
    ck_assert_str_eq(f.bad[0].path, "missing");
    ck_assert_int_eq(f.bad[0].error, -ENOENT);
    files_fini(&f);
    leave();
}
END_TEST

START_TEST(names_are_left_out_at_the_top_and_ends_everywhere)
{
    static const char *const names[] = { ".git", "build", NULL };
    static const char *const ends[] = { ".gz", NULL };
    static const struct leave_out out = { names, ends };
    struct files f = { 0 };

    in_a_new_directory();
    mkdir(".git", 0700);
    mkdir("build", 0700);
    mkdir("src", 0700);
    mkdir("src/build", 0700);
    write_text(".git/config", "x");
    write_text("build/out", "x");
    write_text("a.gz", "x");
    write_text("src/b.gz", "x");
    write_text("src/build/.gz", "x");
    write_text("src/build/kept", "x");
    ck_assert_int_eq(files_add(&f, ".", &out), 0);
    ck_assert_uint_eq(f.count, 2);
    ck_assert_str_eq(f.list[0].path, "./src/build/.gz");
    ck_assert_str_eq(f.list[1].path, "./src/build/kept");
    files_fini(&f);
    leave();
}
END_TEST

/* The bytes of a file of `len` bytes: words of 1 to 9 letters. */
static char *some_text(size_t len, uint64_t *seed)
{
    char *text = malloc(len + 1);

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0, left = 0; i < len; i++, left--) {
        if (!left)
            left = 2 + seed_next(seed) % 9;
        text[i] = left == 1 ? '\n' : (char)('a' + seed_next(seed) % 3);
    }
    return text;
}

/* Read all chunks, count each, add them up. Returns how many chunks there were. */
static size_t count_all(const struct files *f, struct tally *t)
{
    static struct source s;
    static char text[CHUNK_BYTES];
    struct piece p;
    size_t chunks = 0;

    source_init(&s, f);
    for (; source_read(&s, &p, text); chunks++) {
        ck_assert_uint_le(p.len, CHUNK_BYTES);
        ck_assert_int_eq(tally_piece(t, &p, text), 0);
    }
    source_fini(&s);
    return chunks;
}

static const size_t sizes[] = { 0,
                                1,
                                5,
                                CHUNK_BYTES - 1,
                                CHUNK_BYTES,
                                CHUNK_BYTES + 1,
                                0,
                                100,
                                200,
                                CHUNK_BYTES - 300,
                                7,
                                3 * CHUNK_BYTES,
                                3 * CHUNK_BYTES + 5,
                                1,
                                CHUNK_BYTES / 2,
                                CHUNK_BYTES / 2 - 1,
                                CHUNK_BYTES / 2,
                                2,
                                0 };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* Write the files, in order 0, 1, …, and count them the naive way, each apart. */
static uint64_t write_sizes(const size_t *order, struct naive *all, uint64_t *seed)
{
    char path[32];
    uint64_t bytes = 0;

    mkdir("d", 0700);
    for (size_t i = 0; i < SIZES; i++) {
        char *text = some_text(order[i], seed);
        snprintf(path, sizeof path, "d/%02zu", i);
        write_file(path, text, order[i]);
        naive_count(all, text, order[i]);
        bytes += order[i];
        free(text);
    }
    return bytes;
}

static void assert_sizes(const size_t *order, uint64_t *seed)
{
    struct naive expected = { 0 };
    struct files f = { 0 };
    struct tally t = { 0 };

    in_a_new_directory();
    uint64_t bytes = write_sizes(order, &expected, seed);
    ck_assert_int_eq(files_add(&f, "d", NULL), 0);
    count_all(&f, &t);
    const char *differs = naive_same(&expected, &t.total);
    ck_assert_msg(!differs, "this differs: %s", differs);
    ck_assert_uint_eq(t.total.bytes, bytes);
    ck_assert_uint_eq(t.total.files, SIZES);
    tally_fini(&t);
    files_fini(&f);
    naive_fini(&expected);
    leave();
}

START_TEST(files_of_every_size_around_a_chunk_are_read_whole)
{
    uint64_t seed = seed_print();
    size_t order[SIZES];

    memcpy(order, sizes, sizeof order);
    for (int round = 0; round < 5; round++) {
        assert_sizes(order, &seed);
        for (size_t i = SIZES; i > 1; i--) { // another order of the same files
            size_t j = seed_next(&seed) % i;
            size_t swapped = order[i - 1];
            order[i - 1] = order[j];
            order[j] = swapped;
        }
    }
}
END_TEST

START_TEST(small_files_share_a_chunk)
{
    struct files f = { 0 };
    struct tally t = { 0 };
    char path[32];

    in_a_new_directory();
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "%03d", i);
        write_text(path, "over");
    }
    ck_assert_int_eq(files_add(&f, ".", NULL), 0);
    ck_assert_uint_eq(count_all(&f, &t), 1);
    ck_assert_uint_eq(t.total.nwords, 100);
    ck_assert_uint_eq(t.total.words.nwords, 1);
    ck_assert_uint_eq(t.total.bytes, 400);
    tally_fini(&t);
    files_fini(&f);
    leave();
}
END_TEST

START_TEST(a_size_that_the_file_system_does_not_tell_is_read_to_the_end)
{
    struct files f = { 0 };
    struct tally t = { 0 };

    if (access("/proc/self/status", R_OK) != 0)
        return;
    ck_assert_int_eq(files_add(&f, "/proc/self/status", NULL), 0);
    ck_assert_uint_eq(f.bytes, 0);
    count_all(&f, &t);
    ck_assert_uint_eq(t.total.files, 1);
    ck_assert_uint_gt(t.total.bytes, 0);
    ck_assert_ptr_nonnull(table_find(&t.total.words, "pid", 3));
    tally_fini(&t);
    files_fini(&f);
}
END_TEST

static int read_one(struct source *s, struct piece *p)
{
    static char text[CHUNK_BYTES];
    return source_read(s, p, text);
}

START_TEST(a_file_that_cannot_be_read_is_named_and_the_rest_is_there)
{
    static struct source s;
    struct files f = { 0 };
    struct piece p;

    in_a_new_directory();
    write_text("a", "first");
    write_text("b", "gone");
    mkdir("c", 0700);
    write_text("d", "last");
    for (const char *name = "abd"; *name; name++)
        ck_assert_int_eq(files_add(&f, (char[]){ *name, 0 }, NULL), 0);
    unlink("b");
    free(f.list[1].path);
    f.list[1].path = strdup("c"); // a directory opens, but does not read
    source_init(&s, &f);
    ck_assert_int_eq(read_one(&s, &p), 1);
    ck_assert_int_eq(p.error, -EISDIR);
    ck_assert_uint_eq(p.failed, 1);
    ck_assert_uint_eq(p.files, 1);
    ck_assert_uint_eq(p.len, 5);
    ck_assert_int_eq(read_one(&s, &p), 1);
    ck_assert_int_eq(p.error, 0);
    ck_assert_uint_eq(p.len, 4);
    ck_assert_int_eq(read_one(&s, &p), 0);
    source_fini(&s);
    files_fini(&f);
    leave();
}
END_TEST

SUITE("wordcount/files", CASE(a_directory_is_walked_in_the_order_of_its_names),
      CASE(links_to_files_are_taken_and_everything_strange_is_skipped),
      CASE(what_is_named_is_taken_as_it_is),
      CASE(names_are_left_out_at_the_top_and_ends_everywhere),
      CASE(files_of_every_size_around_a_chunk_are_read_whole), CASE(small_files_share_a_chunk),
      CASE(a_size_that_the_file_system_does_not_tell_is_read_to_the_end),
      CASE(a_file_that_cannot_be_read_is_named_and_the_rest_is_there))

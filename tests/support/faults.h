/* tests/support/faults.h - a disk that is full, a system call that fails, a process killed between two of them. */
#ifndef EK_TESTS_FAULTS_H
#define EK_TESTS_FAULTS_H

#include <stdint.h>

/* What to do to the calls that write (base/file.h). All zero, with room -1: nothing, calls are counted. */
typedef struct test_faults {
    long calls;     /* so far, of every kind */
    long fail_at;   /* this one fails (1 is the first; 0: none); a close does close */
    int error;      /* with this errno; 0: EIO */
    long die_at;    /* from this one on nothing is done, as when the process is killed: a write does half of it */
    int64_t room;   /* bytes that the disk still takes, then ENOSPC; -1: as many as one likes */
} test_faults;

void test_faults_install(test_faults *f); /* f: in use until it is removed */
void test_faults_remove(void);            /* closes what a dead process would have closed */

#endif

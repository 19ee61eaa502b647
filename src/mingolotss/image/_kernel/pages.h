/* Pages of mapped files that the system cannot read.
 *
 * A file may be cut short while it is mapped, or its disk may fail. Reading such a page ends the
 * process by SIGBUS. While a thread watches, such a page becomes zeros instead and is counted, and
 * the caller reads its images again or rejects them. systemd does the same for its journal files
 * (src/basic/sigbus.c). A fault of another thread, or while nobody watches, goes to the handler that
 * was there before. The memory stays mapped until its owner unmaps it. */

#if defined(__linux__)
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread int watching;       /* how many blocks of this thread watch */
static __thread int64_t lost_pages; /* since the thread began */
static struct sigaction previous;

static void on_lost_page(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (watching > 0 && info->si_code == BUS_ADRERR) {
        int error = errno;
        uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
        void *page = (void *)((uintptr_t)info->si_addr & ~(size - 1));
        void *zeros =
            mmap(page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        errno = error;
        if (zeros == page) {
            lost_pages++;
            return;
        }
    }
    sigaction(number, &previous, NULL); /* the instruction is repeated, and is for this handler */
    if (info->si_code <= 0)             /* unless the signal was sent by a process */
        raise(number);
}

/* Begin to watch in this thread; return what `mingolotss_end_watch` needs, or -1. */
int64_t mingolotss_watch(void)
{
    if (!watching) {
        struct sigaction present, own = {0};
        if (sigaction(SIGBUS, NULL, &present))
            return -1;
        if (!(present.sa_flags & SA_SIGINFO) || present.sa_sigaction != on_lost_page) {
            previous = present;
            own.sa_sigaction = on_lost_page;
            own.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
            sigemptyset(&own.sa_mask);
            if (sigaction(SIGBUS, &own, NULL))
                return -1;
        }
    }
    watching++;
    return lost_pages;
}

/* End a block that began with `mingolotss_watch`; return how many pages were lost in it. */
int64_t mingolotss_end_watch(int64_t start)
{
    int64_t lost = lost_pages - start;
    if (start < 0)
        return 0;
    watching--;
    lost_pages = start; /* an outer block does not count them again */
    return lost;
}
#else /* elsewhere the signal goes its way */
int64_t mingolotss_watch(void)
{
    return -1;
}

int64_t mingolotss_end_watch(int64_t start)
{
    (void)start;
    return 0;
}
#endif

/* An allocator in which each block ends at a page that nobody may touch: who writes past it dies on the spot.
   Loaded by LD_PRELOAD; guard_on() and guard_off() switch it, guard_hits() counts blocks whose margins were altered. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096UL
#define MARGIN 0xA5

typedef struct {
    size_t size, pages;
    unsigned char *user;
} Header;

static const size_t ARENA = 1UL << 42;
static unsigned char *arena;
static size_t used;
static volatile int on;
static volatile long hits;
static int (*plain_memalign)(void **, size_t, size_t);
static void (*plain_free)(void *);

__attribute__((constructor)) static void begin(void)
{
    plain_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    plain_free = dlsym(RTLD_NEXT, "free");
    void *found = mmap(0, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    arena = found == MAP_FAILED ? 0 : found;
}

int guard_on(void) { return on = arena != 0; }
void guard_off(void) { on = 0; }
long guard_hits(void) { return hits; }

int posix_memalign(void **block, size_t alignment, size_t size)
{
    if (!on || !size)
        return plain_memalign(block, alignment, size);
    size_t rounded = (size + alignment - 1) / alignment * alignment;
    size_t pages = (rounded + PAGE - 1) / PAGE + 1; /* the first for the header */
    size_t place = __sync_fetch_and_add(&used, (pages + 1) * PAGE);
    unsigned char *base = arena + place;
    if (place + (pages + 1) * PAGE > ARENA || mprotect(base, pages * PAGE, PROT_READ | PROT_WRITE))
        abort();
    Header *header = (Header *)base;
    header->size = size;
    header->pages = pages;
    header->user = base + pages * PAGE - rounded;
    memset(base + PAGE, MARGIN, header->user - (base + PAGE));
    memset(header->user + size, MARGIN, rounded - size);
    *block = header->user;
    return 0;
}

static int altered(const unsigned char *from, const unsigned char *to)
{
    for (; from < to; from++)
        if (*from != MARGIN)
            return 1;
    return 0;
}

void free(void *block)
{
    unsigned char *user = block;
    if (!arena || user < arena || user >= arena + ARENA) {
        plain_free(block);
        return;
    }
    unsigned char *base = (unsigned char *)((uintptr_t)user & ~(PAGE - 1));
    while (((Header *)base)->user != user)
        base -= PAGE;
    Header header = *(Header *)base;
    if (altered(base + PAGE, user) || altered(user + header.size, base + header.pages * PAGE))
        hits++;
    madvise(base, header.pages * PAGE, MADV_DONTNEED);
    mprotect(base, header.pages * PAGE, PROT_NONE);
}

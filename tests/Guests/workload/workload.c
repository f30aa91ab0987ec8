// The program of the test guest: keeps rewriting pages of a known pattern, checks every page twice a second, and counts seconds on its standard output.
// It says at once when a page is wrong or the kernel logs an error. Freestanding, so that the committed binary needs no C library; `build.sh` makes it.
//
//   READY pages=N                                    the arena is written
//   COUNT n up=SECONDS writes=N sweeps=N wrong=N     every second
//   WRONG page=N word=N                              a page does not hold what was written to it
//   KERNEL <priority> text                           the kernel logged an error or worse
//   FILLED mib=N                                     cp.fill MiB were read from the disk and are kept
//   TALK asked=N answered=N heard=N                  with every COUNT line, when cp.talk says so
//   WRONG ask|answer ...                             a message that cannot be, judging by what this guest knows of the other
//
// Kernel command line: cp.arena=MiB (default 16), cp.rate=pages rewritten per second (default 1000), cp.fill=MiB read from /dev/vda (default 0),
// cp.talk=1 to ask or 2 to answer (default 0: neither).
//
// Two guests talk in numbered frames over eth0: one asks n, the other answers n, and only then comes the ask for n + 1; an ask without an answer is
// repeated, for frames get lost. Frames keep their order, so each side knows what the other can have said. When the two are set back to states that were
// never there together, one of them hears of a message that was never sent, or misses one it was told of, and says so.

typedef unsigned long u64;

enum { Read = 0, Write = 1, Open = 2, Poll = 7, Seek = 8, Map = 9, Control = 16, Sleep = 35, Socket = 41, Bind = 49, Exit = 60, Clock = 228 };
enum { ReadOnly = 0, NonBlocking = 04000, Direct = 040000, SeekEnd = 2, Words = 512, TicksPerSecond = 100 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

static char line[1024];
static int used;

static void text(const char *s)
{
    while (*s && used < (int)sizeof line) line[used++] = *s++;
}

static void number(const char *name, u64 value)
{
    char digits[20];
    int n = 0;
    text(name);
    do digits[n++] = '0' + value % 10; while (value /= 10);
    while (n > 0 && used < (int)sizeof line) line[used++] = digits[--n];
}

static void flush(void)
{
    if (used == sizeof line) used--;
    line[used++] = '\n';
    call(Write, 1, (long)line, used, 0, 0, 0);
    used = 0;
}

static u64 nanoseconds(void)
{
    long t[2];
    call(Clock, 1, (long)t, 0, 0, 0, 0);
    return t[0] * 1000000000UL + t[1];
}

static u64 *map(u64 octets)
{
    long at = call(Map, 0, octets, 3, 0x22, -1, 0);
    if (at < 0 && at > -4096)
    {
        text("no memory");
        flush();
        call(Exit, 1, 0, 0, 0, 0, 0);
    }
    return (u64 *)at;
}

static u64 option(const char *commandLine, const char *name, u64 otherwise)
{
    for (; *commandLine; commandLine++)
    {
        const char *a = commandLine, *b = name;
        while (*b && *a == *b) a++, b++;
        if (*b) continue;
        u64 value = 0;
        while (*a >= '0' && *a <= '9') value = value * 10 + (*a++ - '0');
        return value;
    }
    return otherwise;
}

static u64 next(u64 x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

// Word 0 names the page, word 1 the generation; the rest follows from the two.
static void fill_page(u64 *page, u64 index, u64 generation)
{
    u64 x = (index + 1) * 0x9e3779b97f4a7c15UL ^ generation * 0xd6e8feb86659fd93UL;
    page[0] = index;
    page[1] = generation;
    for (int i = 2; i < Words; i++) page[i] = x = next(x | 1);
}

static int wrong_word(const u64 *page, u64 index, u64 generation)
{
    u64 x = (index + 1) * 0x9e3779b97f4a7c15UL ^ generation * 0xd6e8feb86659fd93UL;
    if (page[0] != index) return 0;
    if (page[1] != generation) return 1;
    for (int i = 2; i < Words; i++)
        if (page[i] != (x = next(x | 1))) return i;
    return -1;
}

// The generation every page should be of lies in memory of its own: a page that is whole but old is found too.
static u64 *arena, *generations, wrong;

static void rewrite(u64 index, u64 generation)
{
    generations[index] = generation;
    fill_page(arena + index * Words, index, generation);
}

static void check(u64 index)
{
    int word = wrong_word(arena + index * Words, index, generations[index]);
    if (word < 0) return;
    wrong++;
    number("WRONG page=", index);
    number(" word=", word);
    flush();
}

static void watch_kernel(int log)
{
    static char record[4096];
    for (;;)
    {
        long n = call(Read, log, (long)record, sizeof record - 1, 0, 0, 0);
        if (n <= 0) return;
        record[n] = 0;
        u64 priority = option(record, "", 0) & 7;
        if (priority > 3) continue;
        char *s = record;
        while (*s && *s != ';') s++;
        char *end = s;
        while (*end && *end != '\n') end++;
        *end = 0;
        number("KERNEL <", priority);
        text("> ");
        text(*s ? s + 1 : s);
        flush();
    }
}

static void fill_from_disk(u64 mib)
{
    char *memory = (char *)map(mib << 20);
    long disk = -1;
    for (int wait = 0; wait < 500 && disk < 0; wait++)
    {
        long pause[2] = { 0, 10000000 };
        disk = call(Open, (long)"/dev/vda", ReadOnly | Direct, 0, 0, 0, 0);
        if (disk < 0) call(Sleep, (long)pause, 0, 0, 0, 0, 0);
    }
    u64 got = 0;
    while (got < mib << 20)
    {
        long n = call(Read, disk, (long)memory + got, 1 << 20, 0, 0, 0);
        if (n <= 0) break;
        got += n;
    }
    number("FILLED mib=", got >> 20);
    flush();
}

enum { PacketFamily = 17, RawNonBlocking = 3 | 04000, FrameType = 0xb588, InterfaceIndex = 0x8933, Asks = 1, Answers = 2, FrameSize = 60 };

struct frame
{
    unsigned char to[6], from[6];
    unsigned short type;
    unsigned char kind, number[8], filling[37];
};

static u64 talk, asked, answered, heard, repeat_at;
static int network;

static void join_network(void)
{
    struct { char name[16]; int index; char rest[20]; } request = { "eth0", 0, { 0 } };
    struct { unsigned short family, protocol; int index; char rest[12]; } address = { PacketFamily, FrameType, 0, { 0 } };
    network = call(Socket, PacketFamily, RawNonBlocking, FrameType, 0, 0, 0);
    if (call(Control, network, InterfaceIndex, (long)&request, 0, 0, 0) < 0)
    {
        text("no eth0");
        flush();
        call(Exit, 1, 0, 0, 0, 0, 0);
    }
    address.index = request.index;
    call(Bind, network, (long)&address, 20, 0, 0, 0);
}

static void say(unsigned char kind, u64 n)
{
    struct frame frame = { { 255, 255, 255, 255, 255, 255 }, { 0x52, 0x54, 0, 0, 0, kind }, FrameType, kind, { 0 }, { 0 } };
    for (int i = 0; i < 8; i++) frame.number[i] = n >> 8 * i;
    call(Write, network, (long)&frame, FrameSize, 0, 0, 0);
}

static void ask(u64 n, u64 now)
{
    asked = n;
    repeat_at = now + 50000000;
    say(Asks, n);
}

static void wrong_message(const char *what, u64 n, const char *known, u64 value)
{
    wrong++;
    number(what, n);
    number(known, value);
    flush();
}

static void hear(const struct frame *frame, u64 now)
{
    u64 n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | frame->number[i];
    if (talk == Answers && frame->kind == Asks)
    {
        if (n > heard + 1) wrong_message("WRONG ask ", n, ": the one before was never answered here, the last was ", heard);
        if (n < heard) wrong_message("WRONG ask ", n, ": one was heard that the other has not sent, ", heard);
        heard = n;
        say(Answers, n);
    }
    if (talk == Asks && frame->kind == Answers)
    {
        if (n > asked) wrong_message("WRONG answer ", n, ": it was not asked for yet, the last was ", asked);
        if (n != asked) return;
        answered = n;
        ask(n + 1, now);
    }
}

// Talks until then.
static void talk_until(u64 end)
{
    for (;;)
    {
        struct { int file; short wanted, got; } ready = { network, 1, 0 };
        struct frame frame;
        u64 now = nanoseconds();
        if (talk == Asks && now >= repeat_at) ask(asked ? asked : 1, now);
        if (now >= end) return;
        if (call(Poll, (long)&ready, 1, (end - now) / 1000000 + 1, 0, 0, 0) <= 0) continue;
        while (call(Read, network, (long)&frame, sizeof frame, 0, 0, 0) >= FrameSize)
            if (frame.type == FrameType) hear(&frame, now);
    }
}

__attribute__((noreturn, used)) static void run(void)
{
    static char commandLine[2048];
    call(Read, call(Open, (long)"/proc/cmdline", ReadOnly, 0, 0, 0, 0), (long)commandLine, sizeof commandLine - 1, 0, 0, 0);
    u64 pages = option(commandLine, "cp.arena=", 16) << 8, rate = option(commandLine, "cp.rate=", 1000), fill = option(commandLine, "cp.fill=", 0);
    if (fill) fill_from_disk(fill);
    arena = map(pages << 12);
    generations = map(pages << 3);
    for (u64 i = 0; i < pages; i++) rewrite(i, 1);
    int log = call(Open, (long)"/dev/kmsg", ReadOnly | NonBlocking, 0, 0, 0, 0);
    call(Seek, log, 0, SeekEnd, 0, 0, 0);
    talk = option(commandLine, "cp.talk=", 0);
    if (talk) join_network();
    number("READY pages=", pages);
    flush();

    u64 count = 0, writes = 0, sweeps = 0, at = 0, generation = 1, x = 88172645463325252UL, due = 0;
    u64 second = nanoseconds();
    for (;;)
    {
        u64 now = nanoseconds();
        if (now >= second)
        {
            number("COUNT ", ++count);
            number(" up=", now / 1000000000);
            number(" writes=", writes);
            number(" sweeps=", sweeps);
            number(" wrong=", wrong);
            flush();
            if (talk)
            {
                number("TALK asked=", asked);
                number(" answered=", answered);
                number(" heard=", heard);
                flush();
            }
            // After a long stop the clock may have gone on: one line a second, never a burst.
            second = second + 2000000000 > now ? second + 1000000000 : now + 1000000000;
        }
        for (due += rate; due >= TicksPerSecond; due -= TicksPerSecond)
        {
            x = next(x);
            u64 i = x % pages;
            check(i);
            rewrite(i, ++generation);
            writes++;
        }
        for (u64 i = 0; i < pages * 2 / TicksPerSecond + 1; i++)
        {
            check(at);
            if (++at == pages) at = 0, sweeps++;
        }
        watch_kernel(log);
        long pause[2] = { 0, 1000000000 / TicksPerSecond };
        if (talk) talk_until(nanoseconds() + pause[1]);
        else call(Sleep, (long)pause, 0, 0, 0, 0, 0);
    }
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call run\n");

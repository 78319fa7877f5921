/* The smallest Xen guest that can tell what it was booted with.
 *
 * On the Xen console it says its kind, its command line, and size and CRC-32 of its ramdisk. Then it powers
 * off; "probe=reboot" on the command line makes it reboot, "probe=crash" crash, "probe=sleep" stay, and with
 * "probe=suspend" it can be saved or migrated, and reboots when it is restored. One source makes two guests: 64
 * bits is PV, 32 bits is PVH. There is no C library below it, and no interrupt reaches it.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { SCHED_OP = 29, EVTCHN_OP = 32, HVM_OP = 34 };
enum { SCHED_YIELD = 0, SCHED_SHUTDOWN = 2, SCHED_POLL = 3, EVTCHN_SEND = 4, HVM_GET_PARAM = 1 };
enum { EVTCHN_ALLOC_UNBOUND = 6, DOMID_SELF = 0x7ff0 };
enum { SHUTDOWN_POWEROFF = 0, SHUTDOWN_REBOOT = 1, SHUTDOWN_SUSPEND = 2, SHUTDOWN_CRASH = 3 };
enum { PARAM_CONSOLE_PFN = 17, PARAM_CONSOLE_EVTCHN = 18 };

long hypercall(long number, long first, void *second);

/* xencons_interface of xen/include/public/io/console.h */
static struct console {
    char in[1024], out[2048];
    volatile u32 in_cons, in_prod, out_cons, out_prod;
} *console;
static u32 console_port;

static void notify(void)
{
    struct { u32 port; } send = { console_port };
    __asm__ volatile("" ::: "memory");
    hypercall(EVTCHN_OP, EVTCHN_SEND, &send);
}

static void put(char c)
{
    while (console->out_prod - console->out_cons >= sizeof console->out) {
        notify();
        hypercall(SCHED_OP, SCHED_YIELD, 0);
    }
    console->out[console->out_prod % sizeof console->out] = c;
    __asm__ volatile("" ::: "memory");
    console->out_prod++;
}

static void say(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put('\r');
        put(*text);
    }
    notify();
}

static void say_number(unsigned long value, unsigned base, int width)
{
    char digits[24], *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = "0123456789abcdef"[value % base];
        value /= base;
    } while (--width > 0 || value);
    say(at);
}

static u32 crc32(const u8 *data, unsigned long size)
{
    u32 table[256], crc = ~0u;
    for (u32 i = 0; i < 256; i++) {
        u32 entry = i;
        for (int bit = 0; bit < 8; bit++)
            entry = entry & 1 ? entry >> 1 ^ 0xedb88320u : entry >> 1;
        table[i] = entry;
    }
    while (size--)
        crc = table[(crc ^ *data++) & 255] ^ crc >> 8;
    return ~crc;
}

static int holds(const char *text, const char *word)
{
    for (; *text; text++) {
        int at = 0;
        while (word[at] && text[at] == word[at])
            at++;
        if (!word[at])
            return 1;
    }
    return 0;
}

static void end(u32 reason)
{
    struct { u32 reason; } shutdown = { reason };
    while (console->out_cons != console->out_prod) {
        notify();
        hypercall(SCHED_OP, SCHED_YIELD, 0);
    }
    for (;;) {
        hypercall(SCHED_OP, SCHED_SHUTDOWN, &shutdown);
        if (reason == SHUTDOWN_SUSPEND) /* restored: the console's page may be another by now */
            shutdown.reason = SHUTDOWN_REBOOT;
    }
}

/* Say on which event channel the toolstack can ask for a suspend (device/suspend/event-channel), and wait there. */
static void await_suspend(void)
{
    struct { unsigned short domain, remote; u32 port; } channel = { DOMID_SELF, 0, 0 };
    hypercall(EVTCHN_OP, EVTCHN_ALLOC_UNBOUND, &channel);
    say("PROBE suspend=");
    say_number(channel.port, 10, 1);
    say("\n");
    struct { void *ports; u32 count; u64 timeout; } poll = { &channel.port, 1, 0 };
    hypercall(SCHED_OP, SCHED_POLL, &poll);
    end(SHUTDOWN_SUSPEND);
}

static void run(const char *kind, const char *cmdline, const u8 *ramdisk, unsigned long size)
{
    say("PROBE kind=");
    say(kind);
    say("\nPROBE cmdline=[");
    say(cmdline);
    say("]\nPROBE ramdisk size=");
    say_number(size, 10, 1);
    say(" crc32=");
    say_number(crc32(ramdisk, size), 16, 8);
    say("\nPROBE up\n");
    while (holds(cmdline, "probe=sleep")) {
        struct { void *ports; u32 count; u64 timeout; } poll = { 0, 0, 0 };
        hypercall(SCHED_OP, SCHED_POLL, &poll);
    }
    if (holds(cmdline, "probe=suspend"))
        await_suspend();
    if (holds(cmdline, "probe=crash"))
        end(SHUTDOWN_CRASH);
    end(holds(cmdline, "probe=reboot") ? SHUTDOWN_REBOOT : SHUTDOWN_POWEROFF);
}

#ifdef __x86_64__
/* start_info of xen/include/public/xen.h */
struct start_info {
    char magic[32];
    u64 nr_pages, shared_info;
    u32 flags, pad0;
    u64 store_mfn;
    u32 store_evtchn, pad1;
    u64 console_mfn;
    u32 console_evtchn, pad2;
    u64 pt_base, nr_pt_frames, mfn_list, mod_start, mod_len;
    char cmd_line[1024];
};

void guest_main(struct start_info *info)
{
    /* The table from machine frames to ours is mapped there for every PV guest; VIRT_BASE is 0. */
    const u64 *machine_to_phys = (const u64 *)0xffff800000000000ull;
    console = (struct console *)(machine_to_phys[info->console_mfn] << 12);
    console_port = info->console_evtchn;
    run("pv", info->cmd_line, (const u8 *)info->mod_start, info->mod_len);
}
#else
/* hvm_start_info of xen/include/public/arch-x86/hvm/start_info.h */
struct start_info {
    u32 magic, version, flags, nr_modules;
    u64 modules, cmdline, rsdp;
};

static u32 param(u32 index)
{
    struct { unsigned short domain, pad; u32 index; u64 value; } get = { DOMID_SELF, 0, index, 0 };
    hypercall(HVM_OP, HVM_GET_PARAM, &get);
    return (u32)get.value;
}

void guest_main(struct start_info *info)
{
    const u64 *module = info->nr_modules ? (const u64 *)(u32)info->modules : (const u64[2]) { 0, 0 };
    console = (struct console *)(param(PARAM_CONSOLE_PFN) << 12);
    console_port = param(PARAM_CONSOLE_EVTCHN);
    run("pvh", info->cmdline ? (const char *)(u32)info->cmdline : "", (const u8 *)(u32)module[0], module[1]);
}
#endif

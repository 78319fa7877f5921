/*
 * Says what the loader handed over, on COM1 and on port 0xe9, and ends QEMU through isa-debug-exit. Where there is no
 * such device, the machine stays, or does what the command line says: probe=reboot, probe=poweroff, probe=button (which
 * powers off when somebody has pressed that).
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

enum { COM1 = 0x3f8, LINE_STATUS = COM1 + 5, SENT = 0x20, DEBUG_CONSOLE = 0xe9, DEBUG_EXIT = 0x501 };
enum { KEYBOARD = 0x64, RESET = 0xfe };
enum { PM1A_STATUS = 0x600, PM1A_ENABLE = 0x602, PM1A_CONTROL = 0x604 }; /* of q35 under SeaBIOS */
enum { POWER_BUTTON = 0x100, SLEEP_S5 = 0x2000 };
enum { RAMDISK_IMAGE = 0x218, RAMDISK_SIZE = 0x21c, CMD_LINE_PTR = 0x228 }; /* in the boot parameters */
enum { SHOWN = 4096 }; /* bytes of the ramdisk that are printed; the checksum is over all */

extern const char tag[];

static void out(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static u8 in(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void out_word(u16 port, u16 value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }

static u16 in_word(u16 port)
{
    u16 value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void put(char c)
{
    while (!(in(LINE_STATUS) & SENT)) /* 0xff, so ready, where there is no serial port */
        ;
    out(COM1, c);
    out(DEBUG_CONSOLE, c);
}

static void text(const char *s)
{
    while (*s)
        put(*s++);
}

static void hex(u32 value, int digits)
{
    while (digits--)
        put("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

static int says(const char *line, const char *word)
{
    for (; *line; line++) {
        int i = 0;
        while (word[i] && line[i] == word[i])
            i++;
        if (!word[i])
            return 1;
    }
    return 0;
}

static u32 parameter(const u8 *boot_params, u32 offset) { return *(const u32 *)(boot_params + offset); }

void probe(const u8 *boot_params)
{
    const u8 *ramdisk = (const u8 *)parameter(boot_params, RAMDISK_IMAGE);
    const char *cmdline = (const char *)parameter(boot_params, CMD_LINE_PTR);
    u32 size = parameter(boot_params, RAMDISK_SIZE), i, checksum = 2166136261u; /* FNV-1a */

    int button = cmdline && says(cmdline, "probe=button");

    if (button)
        out_word(PM1A_ENABLE, POWER_BUTTON);
    text("PROBE tag=");
    text(tag);
    text("\nPROBE cmdline=");
    text(cmdline ? cmdline : "");
    for (i = 0; i < size; i++)
        checksum = (checksum ^ ramdisk[i]) * 16777619u;
    text("\nPROBE ramdisk size=");
    hex(size, 8);
    text(" fnv=");
    hex(checksum, 8);
    text(" data=");
    for (i = 0; i < size && i < SHOWN; i++)
        hex(ramdisk[i], 2);
    text("\nPROBE end\n");
    out(DEBUG_EXIT, 0x15);
    if (cmdline && says(cmdline, "probe=reboot"))
        out(KEYBOARD, RESET);
    while (button && !(in_word(PM1A_STATUS) & POWER_BUTTON))
        ;
    if (button || (cmdline && says(cmdline, "probe=poweroff")))
        out_word(PM1A_CONTROL, SLEEP_S5);
    for (;;)
        __asm__ volatile("hlt");
}

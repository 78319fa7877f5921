# A boot sector that says it runs, on COM1, and then does what a key says: r reboots, p powers off (q35 under SeaBIOS).

    .code16
    .globl _start
_start:
    xorw %ax, %ax
    movw %ax, %ds
    movw $text, %si
    cld
next:
    lodsb
    testb %al, %al
    jz key
    movb %al, %ah
    movw $0x3fd, %dx                    # line status
wait:
    inb %dx, %al
    testb $0x20, %al
    jz wait
    movw $0x3f8, %dx
    movb %ah, %al
    outb %al, %dx
    jmp next
key:
    movb $0, %ah                        # the BIOS waits for a key, and halts the processor meanwhile
    int $0x16
    cmpb $'r', %al
    je reboot
    cmpb $'p', %al
    jne key
    movw $0x604, %dx
    movw $0x2000, %ax
    outw %ax, %dx
    jmp key
reboot:
    movb $0xfe, %al
    outb %al, $0x64
    jmp key
text:
    .asciz "PROBE disk\n"
    .org 510
    .word 0xaa55

# The front of a bzImage (Documentation/arch/x86/boot.rst in Linux): boot sector, setup header, and a real-mode
# entry that goes to protected mode and on to the code at 1 MiB. Boot protocol 2.11, loaded high, not relocatable.

    .code16
    .section .head, "awx"
    .globl _head
_head:
    .org 0x1f1
setup_sects:        .byte 1
root_flags:         .word 0
syssize:            .long body_paragraphs
ram_size:           .word 0
vid_mode:           .word 0xffff
root_dev:           .word 0
boot_flag:          .word 0xaa55
    .byte 0xeb, real_mode - 1f          # the short jump that the protocol wants at 0x200
1:  .ascii "HdrS"
version:            .word 0x020b
realmode_swtch:     .long 0
start_sys_seg:      .word 0x1000
kernel_version:     .word version_text - 0x200
type_of_loader:     .byte 0
loadflags:          .byte 1             # LOADED_HIGH
setup_move_size:    .word 0x8000
code32_start:       .long 0x100000
ramdisk_image:      .long 0
ramdisk_size:       .long 0
bootsect_kludge:    .long 0
heap_end_ptr:       .word 0
ext_loader_ver:     .byte 0
ext_loader_type:    .byte 0
cmd_line_ptr:       .long 0
initrd_addr_max:    .long 0x7fffffff
kernel_alignment:   .long 0x100000
relocatable_kernel: .byte 0
min_alignment:      .byte 20
xloadflags:         .word 0
cmdline_size:       .long 2047
hardware_subarch:   .long 0
hardware_data:      .quad 0
payload_offset:     .long 0
payload_length:     .long 0
setup_data:         .quad 0
pref_address:       .quad 0x100000
init_size:          .long 0x40000
handover_offset:    .long 0

real_mode:                              # cs is 0x20 paragraphs above the boot sector's copy
    cli
    movw %cs, %ax
    subw $0x20, %ax
    movw %ax, %ds
    movzwl %ax, %esi
    shll $4, %esi                       # esi: the boot parameters, as the 32-bit boot protocol has them
    leal gdt(%esi), %eax
    movl %eax, gdt_pointer + 2
    lgdtl gdt_pointer
    inb $0x92, %al                      # the fast A20 gate; bit 0 would reset the machine
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $8, $0x100000

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff            # 8: code, flat
    .quad 0x00cf92000000ffff            # 16: data, flat
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long 0
version_text:
    .asciz "pypxeboot-probe"
    .org 0x400

    .code32
    .section .entry, "ax"
    .globl _start
_start:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $0x90000, %esp
    pushl %esi
    call probe
1:  hlt
    jmp 1b

    .section .tag, "aw"
    .globl tag
tag:
    .ascii "@@PROBE-TAG@@"
    .fill 64 - 13, 1, 0

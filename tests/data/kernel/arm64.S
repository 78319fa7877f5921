/*
 * A kernel in the Image format of arm64 that says what it was handed, and powers the machine off: its tag, and
 * the parts of the device tree in which are command line and ramdisk. It needs QEMU's machine "virt".
 */
        .equ    UART, 0x09000000
        .equ    SYSTEM_OFF, 0x84000008

        .global _start
_start: b       1f
        .long   0
        .quad   0                       // text_offset
        .quad   _end - _start           // image_size
        .quad   0xa                     // flags: little-endian, pages of 4 KiB, anywhere in memory
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0

1:      mov     x19, x0                 // the device tree
        ldr     x20, =UART
        mov     w1, #0x301              // enabled, both ways
        str     w1, [x20, #0x30]
        adr     x1, tag
        mov     x2, #end_of_tag - tag
        bl      print
        mov     x1, x19                 // its header
        mov     x2, #40
        bl      print
        mov     x21, #0x08              // off_dt_struct, size_dt_struct
        mov     x22, #0x24
        bl      part
        mov     x21, #0x0c              // off_dt_strings, size_dt_strings
        mov     x22, #0x20
        bl      part
        ldr     x0, =SYSTEM_OFF
        hvc     #0
        b       .

part:   mov     x23, x30                // a block of the tree: the numbers are big-endian
        ldr     w1, [x19, x21]
        rev     w1, w1
        add     x1, x19, x1
        ldr     w2, [x19, x22]
        rev     w2, w2
        bl      print
        ret     x23

print:  cbz     x2, 3f                  // x2 bytes at x1
        ldrb    w3, [x1], #1
2:      ldr     w4, [x20, #0x18]
        tbnz    w4, #5, 2b              // its FIFO is full
        strb    w3, [x20]
        sub     x2, x2, #1
        b       print
3:      ret

        .ltorg
tag:    .ascii  "@@PROBE-TAG@@"
        .zero   64 - (. - tag)
end_of_tag:
        .balign 4096
_end:

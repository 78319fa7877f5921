/* Entry of the 64-bit PV guest, and the notes by which Xen knows it for one. */
#include "notes.h"

        NOTE(XEN_GUEST_OS, .asciz "probe")
        NOTE(XEN_VERSION, .asciz "xen-3.0")
        NOTE(XEN_LOADER, .asciz "generic")
        NOTE(XEN_PAE_MODE, .asciz "yes")
        NOTE(XEN_VIRT_BASE, .quad 0)
        NOTE(XEN_PADDR_OFFSET, .quad 0)
        NOTE(XEN_ENTRY, .quad _start)
        NOTE(XEN_HYPERCALL_PAGE, .quad hypercall_page)

        .text
        .globl  _start, hypercall, hypercall_page
_start:                                 /* %rsi: start_info */
        cld
        mov     $stack_top, %rsp
        mov     %rsi, %rdi
        call    guest_main
1:      jmp     1b

hypercall:                              /* (number, first, second) */
        push    %rbx
        shl     $5, %rdi                /* an entry of the page has 32 bytes */
        add     $hypercall_page, %rdi
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        call    *%rax
        pop     %rbx
        ret

        HYPERCALL_PAGE_AND_STACK

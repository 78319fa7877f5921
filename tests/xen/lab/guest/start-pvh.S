/* Entry of the 32-bit PVH guest: finds the hypercall page by CPUID. */
#include "notes.h"

        NOTE(XEN_GUEST_OS, .asciz "probe")
        NOTE(XEN_VERSION, .asciz "xen-3.0")
        NOTE(XEN_LOADER, .asciz "generic")
        NOTE(XEN_PHYS32_ENTRY, .long _start)

        .text
        .globl  _start, hypercall, hypercall_page
_start:                                 /* %ebx: hvm_start_info */
        cld
        mov     $stack_top, %esp
        mov     %ebx, %esi
        mov     $0x40000000, %edi
1:      mov     %edi, %eax              /* Xen's leaves stand at the first base that says "XenV" */
        xor     %ecx, %ecx
        cpuid
        cmp     $0x566e6558, %ebx
        je      2f
        add     $0x100, %edi
        cmp     $0x40010000, %edi
        jb      1b
        hlt
2:      lea     2(%edi), %eax           /* which MSR takes the address of the hypercall page */
        xor     %ecx, %ecx
        cpuid
        mov     %ebx, %ecx
        mov     $hypercall_page, %eax
        xor     %edx, %edx
        wrmsr
        push    $0
        push    %esi
        call    guest_main
3:      hlt
        jmp     3b

hypercall:                              /* (number, first, second), on the stack */
        push    %ebx
        mov     8(%esp), %eax
        shl     $5, %eax
        add     $hypercall_page, %eax
        mov     12(%esp), %ebx
        mov     16(%esp), %ecx
        call    *%eax
        pop     %ebx
        ret

        HYPERCALL_PAGE_AND_STACK

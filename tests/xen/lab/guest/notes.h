/* ELF notes of Xen guests (xen/include/public/elfnote.h). */
#define XEN_ENTRY 1
#define XEN_HYPERCALL_PAGE 2
#define XEN_VIRT_BASE 3
#define XEN_PADDR_OFFSET 4
#define XEN_VERSION 5
#define XEN_GUEST_OS 6
#define XEN_LOADER 8
#define XEN_PAE_MODE 9
#define XEN_PHYS32_ENTRY 18

.macro  NOTE_BEGIN type
        .pushsection .note.Xen, "a", @note
        .align  4
        .long   2f - 1f, 4f - 3f, \type
1:      .asciz  "Xen"
2:      .align  4
.endm
.macro  NOTE_END
        .align  4
        .popsection
.endm
#define NOTE(type, value...) NOTE_BEGIN type; 3: value; 4: NOTE_END

.macro  HYPERCALL_PAGE_AND_STACK
        .align  4096
hypercall_page:
        .skip   4096
        .bss
        .align  16
        .skip   16384
stack_top:
.endm

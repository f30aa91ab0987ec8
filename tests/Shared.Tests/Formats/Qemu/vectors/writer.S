# A 64 KiB firmware that only writes memory: pages of which a few words change, pages rewritten whole, one page that is now zero and now not.
    .code16
    .org 0
start:
    cli
    xorw %ax, %ax
    movw %ax, %ss
    movw $0x7000, %sp
    movl $0, %ebx
    movl $1, %esi
again:
    # eight pages at 0x10000: a few words each
    movw $0x1000, %ax
    movw %ax, %ds
    movw $8, %cx
    xorw %di, %di
1:  movl %ebx, %eax
    andl $0xffc, %eax
    addw %di, %ax
    movw %ax, %bp
    addl %ebx, %ds:(%bp)
    addw $0x1000, %di
    addl $4, %ebx
    loop 1b
    # four pages at 0x20000: new contents
    movw $0x2000, %ax
    movw %ax, %ds
    xorw %di, %di
    movw $0x1000, %cx
2:  imull $1664525, %esi, %esi
    addl $1013904223, %esi
    movl %esi, (%di)
    addw $4, %di
    loop 2b
    # a page at 0x30000: all zero every other time
    movw $0x3000, %ax
    movw %ax, %ds
    movl %esi, %eax
    testl $0x10000, %ebx
    jz 3f
    xorl %eax, %eax
3:  movl %eax, 16
    movb $'.', %al
    movw $0x3f8, %dx
    testl $0xfff, %ebx
    jnz again
    outb %al, %dx
    jmp again
    .org 0xfff0
    ljmp $0xf000, $start
    .org 0xffff
    .byte 0

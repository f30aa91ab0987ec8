// A 32-bit guest of machine virt: fills its registers, says R and waits.
    .arch armv7-a
    .fpu neon
    .global _start
_start:
    mov r0, #(0xf << 20)
    mcr p15, 0, r0, c1, c0, 2
    isb
    mov r0, #0x40000000
    vmsr fpexc, r0
    ldr r1, =0x89abcdef
    ldr r2, =0x01234567
    vmov d0, r1, r2
    vmov d1, r2, r1
    vmov d31, r1, r1
    ldr r3, =0xf0c00015
    vmsr fpscr, r3
    ldr sp, =0x40100000
    ldr r4, =0x40201000
    str r1, [r4]
    str r2, [r4, #0xff8]
    ldr r1, =0x9000000
    mov r0, #'R'
    strb r0, [r1]
    .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,14
    ldr r\n, =0xc7c70000 + \n
    .endr
1:  wfi
    b 1b

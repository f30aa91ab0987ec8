// A guest of machine virt with two CPUs: the first fills its registers at EL1 and waits, the second goes on in 32-bit user state. Says R when all is done.
    .global _start
_start:
    mrs x1, mpidr_el1
    and x1, x1, #0xff
    // Floating point is off after a reset.
    mov x0, #(3 << 20)
    msr cpacr_el1, x0
    isb
    ldr x2, =0x40100000
    mov sp, x2
    movi v0.16b, #0x11
    movi v31.16b, #0x42
    ldr x3, =0x0123456789abcdef
    fmov d7, x3
    fmov v7.d[1], x3
    movi v15.8b, #0x77
    ldr w3, =0xf8000015
    msr fpsr, x3
    ldr w3, =0x00c00000
    msr fpcr, x3
    ldr x4, =0x40201000
    ldr x5, =0x6e696f7074756b21
    str x5, [x4]
    str x5, [x4, #0xff8]
    .irp n,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    ldr x\n, =0xa5a5000000000000 + \n
    .endr
    // the second CPU goes its own way: PSCI CPU_ON
    mov x20, x6
    ldr x0, =0xc4000003
    mov x1, #1
    adr x2, second
    mov x3, #0
    hvc #0
    ldr x0, =0xa5a5000000000000
    ldr x1, =0xa5a5000000000001
    ldr x2, =0xa5a5000000000002
    ldr x3, =0xa5a5000000000003
1:  wfi
    b 1b

second:
    mov x0, #(3 << 20)
    msr cpacr_el1, x0
    isb
    movi v1.16b, #0x55
    mov x0, #0x10
    msr spsr_el1, x0
    adr x0, narrow
    msr elr_el1, x0
    ldr x1, =0x9000000
    mov w0, #'R'
    strb w0, [x1]
    .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    ldr x\n, =0xb6b60000 + \n
    .endr
    eret
narrow:
    .word 0xeafffffe

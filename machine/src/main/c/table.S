# The entries of the blob, 8 bytes each, in the order that MachineCode knows.
#ifdef __aarch64__
#define jmp b
#endif
.section .table, "ax"
.irp entry, detect, permit, round_rows, multiply, pack_row
.balign 8
jmp \entry
.endr
.section .note.GNU-stack, "", @progbits

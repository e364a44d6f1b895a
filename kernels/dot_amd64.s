//go:build !noasm

#include "textflag.h"

// Rows of w are streamed four or eight side by side, and each vector of them is used
// for up to three rows of x while it is in a register. Meanwhile the memory at pf is
// fetched, step bytes for every 128 bytes of w: what will be streamed next, so that the
// memory is never idle while a block is used again for more rows of x.

// HSUM4 leaves the sums of Y-registers a, b, c, d in the four lanes of xa.
#define HSUM4(a, xa, b, c, d, t, xt) \
	VHADDPS b, a, a        \
	VHADDPS d, c, c        \
	VHADDPS c, a, a        \
	VEXTRACTF128 $1, a, xt \
	VADDPS  xt, xa, xa

// func dotRows1(w *float32, stride int, x *float32, n, rows int, out *float32, pf *float32, step int)
// Eight rows at a time, then four; each row has one accumulator as in dotRows2 and 3,
// so that a row's sum does not depend on how many rows of x there are.
TEXT ·dotRows1(SB), NOSPLIT, $0-64
	MOVQ w+0(FP), SI
	MOVQ stride+8(FP), DX
	SHLQ $2, DX
	LEAQ (DX)(DX*2), R10
	MOVQ n+24(FP), CX
	SHLQ $2, CX
	MOVQ rows+32(FP), R12
	MOVQ out+40(FP), R8
	MOVQ pf+48(FP), R13
	MOVQ step+56(FP), BX
	SHLQ $1, BX

eight1:
	CMPQ R12, $8
	JLT  four1
	MOVQ SI, R11
	LEAQ (SI)(DX*4), R9
	MOVQ x+16(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	MOVQ CX, AX

loop1:
	VMOVUPS (DI), Y8
	PREFETCHT0 (R13)
	VFMADD231PS (R11), Y8, Y0
	VFMADD231PS (R11)(DX*1), Y8, Y1
	PREFETCHT0 64(R13)
	VFMADD231PS (R11)(DX*2), Y8, Y2
	VFMADD231PS (R11)(R10*1), Y8, Y3
	PREFETCHT0 128(R13)
	VFMADD231PS (R9), Y8, Y4
	VFMADD231PS (R9)(DX*1), Y8, Y5
	PREFETCHT0 192(R13)
	VFMADD231PS (R9)(DX*2), Y8, Y6
	VFMADD231PS (R9)(R10*1), Y8, Y7
	ADDQ BX, R13
	ADDQ $32, DI
	ADDQ $32, R11
	ADDQ $32, R9
	SUBQ $32, AX
	JNZ  loop1

	HSUM4(Y0, X0, Y1, Y2, Y3, Y9, X9)
	HSUM4(Y4, X4, Y5, Y6, Y7, Y10, X10)
	VMOVUPS X0, (R8)
	VMOVUPS X4, 16(R8)
	ADDQ $32, R8
	LEAQ (SI)(DX*8), SI
	SUBQ $8, R12
	JMP  eight1

four1:
	CMPQ R12, $4
	JLT  done1
	MOVQ x+16(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	MOVQ CX, AX

loop4:
	VMOVUPS (DI), Y8
	VFMADD231PS (SI), Y8, Y0
	VFMADD231PS (SI)(DX*1), Y8, Y1
	VFMADD231PS (SI)(DX*2), Y8, Y2
	VFMADD231PS (SI)(R10*1), Y8, Y3
	ADDQ $32, DI
	ADDQ $32, SI
	SUBQ $32, AX
	JNZ  loop4

	HSUM4(Y0, X0, Y1, Y2, Y3, Y4, X4)
	VMOVUPS X0, (R8)

done1:
	VZEROUPPER
	RET

// func dotRows2(w *float32, stride int, x *float32, xstride, n, rows int, out *float32, outstride int, pf *float32, step int)
TEXT ·dotRows2(SB), NOSPLIT, $0-80
	MOVQ w+0(FP), SI
	MOVQ stride+8(FP), DX
	SHLQ $2, DX
	LEAQ (DX)(DX*2), R10
	MOVQ xstride+24(FP), R11
	SHLQ $2, R11
	MOVQ n+32(FP), CX
	SHLQ $2, CX
	MOVQ rows+40(FP), R12
	MOVQ out+48(FP), R8
	MOVQ outstride+56(FP), BX
	SHLQ $2, BX
	MOVQ pf+64(FP), R13
	MOVQ step+72(FP), R14

rows2:
	CMPQ R12, $4
	JLT  done2
	MOVQ SI, R9
	MOVQ x+16(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	MOVQ CX, AX

loop2:
	VMOVUPS (DI), Y12
	VMOVUPS (DI)(R11*1), Y13
	PREFETCHT0 (R13)
	PREFETCHT0 64(R13)
	ADDQ R14, R13
	VMOVUPS (R9), Y15
	VFMADD231PS Y15, Y12, Y0
	VFMADD231PS Y15, Y13, Y4
	VMOVUPS (R9)(DX*1), Y15
	VFMADD231PS Y15, Y12, Y1
	VFMADD231PS Y15, Y13, Y5
	VMOVUPS (R9)(DX*2), Y15
	VFMADD231PS Y15, Y12, Y2
	VFMADD231PS Y15, Y13, Y6
	VMOVUPS (R9)(R10*1), Y15
	VFMADD231PS Y15, Y12, Y3
	VFMADD231PS Y15, Y13, Y7
	ADDQ $32, DI
	ADDQ $32, R9
	SUBQ $32, AX
	JNZ  loop2

	HSUM4(Y0, X0, Y1, Y2, Y3, Y12, X12)
	HSUM4(Y4, X4, Y5, Y6, Y7, Y13, X13)
	VMOVUPS X0, (R8)
	VMOVUPS X4, (R8)(BX*1)
	ADDQ $16, R8
	LEAQ (SI)(DX*4), SI
	SUBQ $4, R12
	JMP  rows2

done2:
	VZEROUPPER
	RET

// func dotRows3(w *float32, stride int, x *float32, xstride, n, rows int, out *float32, outstride int, pf *float32, step int)
TEXT ·dotRows3(SB), NOSPLIT, $0-80
	MOVQ w+0(FP), SI
	MOVQ stride+8(FP), DX
	SHLQ $2, DX
	LEAQ (DX)(DX*2), R10
	MOVQ xstride+24(FP), R11
	SHLQ $2, R11
	MOVQ n+32(FP), CX
	SHLQ $2, CX
	MOVQ rows+40(FP), R12
	MOVQ out+48(FP), R8
	MOVQ outstride+56(FP), BX
	SHLQ $2, BX
	MOVQ pf+64(FP), R13
	MOVQ step+72(FP), R14

rows3:
	CMPQ R12, $4
	JLT  done3
	MOVQ SI, R9
	MOVQ x+16(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	MOVQ CX, AX

loop3:
	VMOVUPS (DI), Y12
	VMOVUPS (DI)(R11*1), Y13
	VMOVUPS (DI)(R11*2), Y14
	PREFETCHT0 (R13)
	PREFETCHT0 64(R13)
	ADDQ R14, R13
	VMOVUPS (R9), Y15
	VFMADD231PS Y15, Y12, Y0
	VFMADD231PS Y15, Y13, Y4
	VFMADD231PS Y15, Y14, Y8
	VMOVUPS (R9)(DX*1), Y15
	VFMADD231PS Y15, Y12, Y1
	VFMADD231PS Y15, Y13, Y5
	VFMADD231PS Y15, Y14, Y9
	VMOVUPS (R9)(DX*2), Y15
	VFMADD231PS Y15, Y12, Y2
	VFMADD231PS Y15, Y13, Y6
	VFMADD231PS Y15, Y14, Y10
	VMOVUPS (R9)(R10*1), Y15
	VFMADD231PS Y15, Y12, Y3
	VFMADD231PS Y15, Y13, Y7
	VFMADD231PS Y15, Y14, Y11
	ADDQ $32, DI
	ADDQ $32, R9
	SUBQ $32, AX
	JNZ  loop3

	HSUM4(Y0, X0, Y1, Y2, Y3, Y12, X12)
	HSUM4(Y4, X4, Y5, Y6, Y7, Y13, X13)
	HSUM4(Y8, X8, Y9, Y10, Y11, Y14, X14)
	VMOVUPS X0, (R8)
	VMOVUPS X4, (R8)(BX*1)
	VMOVUPS X8, (R8)(BX*2)
	ADDQ $16, R8
	LEAQ (SI)(DX*4), SI
	SUBQ $4, R12
	JMP  rows3

done3:
	VZEROUPPER
	RET

// func axpyRows1(o *float32, v *float32, stride int, p *float32, n, rows int, pf *float32, step int)
TEXT ·axpyRows1(SB), NOSPLIT, $0-64
	MOVQ o+0(FP), DI
	MOVQ v+8(FP), SI
	MOVQ stride+16(FP), DX
	SHLQ $2, DX
	MOVQ p+24(FP), R8
	MOVQ n+32(FP), CX
	SHLQ $2, CX
	MOVQ rows+40(FP), R12
	MOVQ pf+48(FP), R13
	MOVQ step+56(FP), BX

arows1:
	CMPQ R12, $4
	JLT  adone1
	LEAQ (SI)(DX*1), R9
	LEAQ (R9)(DX*1), R10
	LEAQ (R10)(DX*1), R11
	VBROADCASTSS (R8), Y12
	VBROADCASTSS 4(R8), Y13
	VBROADCASTSS 8(R8), Y14
	VBROADCASTSS 12(R8), Y15
	XORQ AX, AX

aloop1:
	CMPQ AX, CX
	JGE  anext1
	VMOVUPS (DI)(AX*1), Y0
	PREFETCHT0 (R13)
	PREFETCHT0 64(R13)
	ADDQ BX, R13
	VMULPS (R9)(AX*1), Y13, Y1
	VFMADD231PS (SI)(AX*1), Y12, Y0
	VFMADD231PS (R11)(AX*1), Y15, Y1
	VFMADD231PS (R10)(AX*1), Y14, Y0
	VADDPS Y1, Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	JMP  aloop1

anext1:
	ADDQ $16, R8
	LEAQ (R11)(DX*1), SI
	SUBQ $4, R12
	JMP  arows1

adone1:
	VZEROUPPER
	RET

// func axpyRows2(o *float32, ostride int, v *float32, stride int, p *float32, pstride, n, rows int, pf *float32, step int)
TEXT ·axpyRows2(SB), NOSPLIT, $0-80
	MOVQ o+0(FP), DI
	MOVQ ostride+8(FP), R14
	LEAQ (DI)(R14*4), R14
	MOVQ v+16(FP), SI
	MOVQ p+32(FP), R8
	MOVQ pstride+40(FP), R13
	LEAQ (R8)(R13*4), R13
	MOVQ n+48(FP), CX
	SHLQ $2, CX
	MOVQ rows+56(FP), R12
	MOVQ pf+64(FP), DX
	MOVQ step+72(FP), BX

arows2:
	CMPQ R12, $4
	JLT  adone2
	MOVQ stride+24(FP), AX
	LEAQ (SI)(AX*4), R9
	LEAQ (R9)(AX*4), R10
	LEAQ (R10)(AX*4), R11
	VBROADCASTSS (R8), Y8
	VBROADCASTSS 4(R8), Y9
	VBROADCASTSS 8(R8), Y10
	VBROADCASTSS 12(R8), Y11
	VBROADCASTSS (R13), Y12
	VBROADCASTSS 4(R13), Y13
	VBROADCASTSS 8(R13), Y14
	VBROADCASTSS 12(R13), Y15
	XORQ AX, AX

aloop2:
	CMPQ AX, CX
	JGE  anext2
	PREFETCHT0 (DX)
	PREFETCHT0 64(DX)
	ADDQ BX, DX
	VMOVUPS (SI)(AX*1), Y4
	VMOVUPS (R9)(AX*1), Y5
	VMOVUPS (DI)(AX*1), Y0
	VMOVUPS (R14)(AX*1), Y1
	VMULPS Y5, Y9, Y2
	VMULPS Y5, Y13, Y3
	VFMADD231PS Y4, Y8, Y0
	VFMADD231PS Y4, Y12, Y1
	VMOVUPS (R10)(AX*1), Y6
	VMOVUPS (R11)(AX*1), Y7
	VFMADD231PS Y6, Y10, Y0
	VFMADD231PS Y6, Y14, Y1
	VFMADD231PS Y7, Y11, Y2
	VFMADD231PS Y7, Y15, Y3
	VADDPS Y2, Y0, Y0
	VADDPS Y3, Y1, Y1
	VMOVUPS Y0, (DI)(AX*1)
	VMOVUPS Y1, (R14)(AX*1)
	ADDQ $32, AX
	JMP  aloop2

anext2:
	ADDQ $16, R8
	ADDQ $16, R13
	MOVQ stride+24(FP), AX
	LEAQ (R11)(AX*4), SI
	SUBQ $4, R12
	JMP  arows2

adone2:
	VZEROUPPER
	RET

// AArch64 has SDOT: one instruction adds four products of signed bytes. Plain NEON is left to Java.
#include <arm_neon.h>

#pragma GCC push_options
#pragma GCC target("+dotprod")
#define SET(name) CAT(name, _dotprod)
#define LANES 4
#define DOT 2
#define ROWS 4
#define COLS 4
#include "loops.h"
#pragma GCC pop_options

// The set of this processor, from the bits that Linux tells of it: HWCAP_ASIMDDP.
int64_t detect(int64_t hwcap) { return hwcap >> 20 & 1 ? DOTPROD : 0; }

int64_t permit(void) { return -1; } // there are no tiles

INLINE void round_set(int64_t set, const struct job *j, const float *from, int8_t *x, float *s, int32_t *sum) {
  (void) set;
  round_dotprod(j, from, x, s, sum);
}
INLINE void multiply_set(int64_t set, const struct job *j) {
  (void) set;
  products_dotprod(j);
}

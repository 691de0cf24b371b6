// Products of whole numbers: machine code for one job. No libc, no relocations, no state. Five entries: detect, permit,
// round_rows, multiply, pack_row. Panels, rounded rows and the arithmetic are those of GroupFormat, RoundedRows and Products in
// dev.causal4j.kernel:
//   per group, in order:  y = fma((float) D, w * s, y), and with a minimum then y = fma(n, s * (float) X, y)
// D is exact however it is summed; all else has one order. Compiled without contraction and without -ffast-math.
// Each architecture has a file of its own: it includes the loops for its sets of instructions, and defines
// detect, permit, round_set and multiply_set.
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define AVX2 1 // sets of instructions, as InstructionSet has them
#define AVXVNNI 2
#define AVX512 4
#define TILES 8
#define DOTPROD 16

enum numbers { HALVES, FLOATS, LEVELS };
struct format { int bits, zero, group, least, numbers; };
// In Java a long[].
struct shape { int64_t stride, count, depth, height, rows, next, set, group, bits, zero, least, numbers; };
// Of a tile, from a group and row on: the next row is 32 bytes, a float and an int further.
struct inputs { const int8_t *x; const float *s; const int32_t *sum; };
struct job {
  const uint8_t *w; int64_t stride; // first panel, bytes to the next
  int count, depth, height, rows;
  struct format f;
  struct inputs in;
  float *y; int64_t next; // floats from a row to the next
  uint8_t *scratch; // a panel widened, and tiles of sums
};

INLINE int numbersBytes(struct format f) {
  return (f.numbers == HALVES ? 128 : f.numbers == FLOATS ? 256 : 64) << f.least;
}
INLINE int headBytes(struct format f) { return f.numbers == LEVELS ? 128 << f.least : 0; }
INLINE int groupBytes(struct format f) { return numbersBytes(f) + 8 * f.bits * f.group; }

// Where group g of a panel is: its numbers, then its codes. LEVELS have a head before each 256 inputs.
INLINE const uint8_t *groupAt(struct format f, const uint8_t *w, int g, const uint8_t **head) {
  int block = g * f.group / 256;
  *head = w + block * (int64_t) (headBytes(f) + 256 / f.group * groupBytes(f));
  return w + g * (int64_t) groupBytes(f) + (block + 1) * headBytes(f);
}

// The inputs of group g in a tile, from its first row on.
INLINE struct inputs inputsAt(const struct job *j, int tile, int g, int group) {
  int64_t all = (int64_t) tile * (j->depth / 32) + g * group / 32;
  return (struct inputs) {j->in.x + all * j->height * 32 + g * group % 32, j->in.s + all * j->height,
    j->in.sum + ((int64_t) tile * (j->depth / group) + g) * j->height};
}

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)

#ifdef __aarch64__
#include "aarch64.h"
#else
#include "x86_64.h"
#endif

#include "blocks.h"

// Rounds the rows of a tile.
void round_rows(const float *from, int8_t *x, float *s, int32_t *sum, const struct shape *k) {
  struct job j = {.depth = (int) k->depth, .height = (int) k->height, .rows = (int) k->rows, .next = k->next};
  j.f.group = (int) k->group;
  round_set(k->set, &j, from, x, s, sum);
}

void multiply(const uint8_t *w, const int8_t *x, const float *s, const int32_t *sum, float *y, float *scratch,
    const struct shape *k) {
  struct format f = {(int) k->bits, (int) k->zero, (int) k->group, (int) k->least, (int) k->numbers};
  struct job j = {w, k->stride, (int) k->count, (int) k->depth, (int) k->height, (int) k->rows, f, {x, s, sum},
    y, k->next, (uint8_t *) (((uintptr_t) scratch + 63) & -64LL)};
  multiply_set(k->set, &j);
}

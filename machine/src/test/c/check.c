// Compares the kernels with the arithmetic written plainly, and measures them.
//   check [ROWS]                                          all formats, sets and 1 to 50 rows or fewer, each array before a
//                                                         page that nobody may read
// With -DBLOB='"FILE"' the kernels are those of a blob, otherwise kernels.c is compiled beside this. An AArch64 program runs
// under qemu-aarch64. BlobTest does both.
//   decode|few|prefill gpt2|smollm2|qwen3 SET             two threads share the panels of a model's matrices
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

struct shape { int64_t stride, count, depth, height, rows, next, set, group, bits, zero, least, numbers; };
#ifdef BLOB
static uint8_t *blob; // a table of jumps of 8 bytes
#define detect ((int64_t (*)(int64_t)) blob)
#define permit ((int64_t (*)(void)) (blob + 8))
#define round_rows ((void (*)(const float *, int8_t *, float *, int32_t *, const struct shape *)) (blob + 16))
#define multiply ((void (*)(const uint8_t *, const int8_t *, const float *, const int32_t *, float *, float *, const struct shape *)) (blob + 24))
#define pack_row ((int64_t (*)(const uint8_t *, uint8_t *, const struct shape *)) (blob + 32))
#else
int64_t pack_row(const uint8_t *from, uint8_t *panel, const struct shape *k);
int64_t detect(int64_t hwcap);
int64_t permit(void);
void round_rows(const float *from, int8_t *x, float *s, int32_t *sum, const struct shape *k);
void multiply(const uint8_t *w, const int8_t *x, const float *s, const int32_t *sum, float *y, float *scratch, const struct shape *k);
#endif

static uint64_t seed = 1;
static uint32_t rnd(void) { seed = seed * 6364136223846793005ull + 1442695040888963407ull; return seed >> 33; }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static float halfFloat(const uint8_t *at) {
  uint16_t h; memcpy(&h, at, 2);
  int e = h >> 10 & 31, m = h & 1023;
  float f = e ? ldexpf(1024 + m, e - 25) : ldexpf(m, -24);
  return h >> 15 ? -f : f;
}
static int numbersOf(struct shape k) { return (k.numbers == 0 ? 128 : k.numbers == 1 ? 256 : 64) << k.least; }
static int headOf(struct shape k) { return k.numbers == 2 ? 128 << k.least : 0; }
static int64_t offsetOf(struct shape k, int g) { return g * (numbersOf(k) + 8 * k.bits * k.group) + (g * k.group / 256 + 1) * headOf(k); }
static int64_t panelBytes(struct shape k) { return (k.depth / k.group) * (numbersOf(k) + 8 * k.bits * k.group) + (k.depth + 255) / 256 * headOf(k); }
static void randomHalf(uint8_t *at) { uint16_t h = rnd() % 0x2c00 | (rnd() & 1) << 15; memcpy(at, &h, 2); }
static void randomPanel(uint8_t *w, struct shape k) {
  for (int64_t i = 0; i < panelBytes(k); i++) w[i] = rnd() % 8 ? rnd() : rnd() % 2 * 255;
  for (int g = 0; g < k.depth / k.group; g++) {
    uint8_t *at = w + offsetOf(k, g);
    for (int i = 0; i < 64 * (1 + k.least); i++) {
      if (k.numbers == 0) randomHalf(at + 2 * i);
      if (k.numbers == 1) { float f = (int) rnd() * 1e-12f; memcpy(at + 4 * i, &f, 4); }
      if (k.numbers == 2 && i >= 64) at[i] &= 127;
      if (k.numbers == 2 && g * k.group % 256 == 0) randomHalf(at - headOf(k) + 2 * i);
    }
  }
}
static float number(struct shape k, const uint8_t *w, int g, int o, int second) {
  const uint8_t *at = w + offsetOf(k, g), *head = w + offsetOf(k, g * k.group / 256 * 256 / k.group) - headOf(k);
  float f;
  if (k.numbers == 0) return halfFloat(at + 128 * second + 2 * o);
  if (k.numbers == 1) { memcpy(&f, at + 256 * second + 4 * o, 4); return f; }
  f = halfFloat(head + 128 * second + 2 * o) * (float) (int8_t) at[64 * second + o];
  return second ? -f : f;
}
static float twin(struct shape k, const uint8_t *w, const int8_t *x, const float *s, const int32_t *sum, int o, int row) {
  int t = row / k.height, r = row % k.height;
  float y = 0;
  for (int g = 0; g < k.depth / k.group; g++) {
    const uint8_t *c = w + offsetOf(k, g) + numbersOf(k);
    int64_t in = (int64_t) t * (k.depth / 32) + g * k.group / 32;
    int32_t d = 0, all = sum[((int64_t) t * (k.depth / k.group) + g) * k.height + r];
    for (int i = 0; i < k.group; i++) {
      int code = k.bits == 8 ? c[i / 4 * 256 + o * 4 + i % 4] - 128 : (c[i / 4 * 128 + o % 32 * 4 + i % 4] >> o / 32 * 4 & 15) - (int) k.zero;
      d += code * x[(in * k.height + r) * 32 + g * k.group % 32 + i];
    }
    float scale = s[in * k.height + r];
    y = fmaf((float) d, number(k, w, g, o, 0) * scale, y);
    if (k.least) y = fmaf(number(k, w, g, o, 1), scale * (float) all, y);
  }
  return y;
}
static void plainRound(struct shape k, const float *from, int8_t *x, float *s, int32_t *sum) {
  for (int r = 0; r < k.rows; r++)
    for (int g = 0; g < k.depth / 32; g++) {
      int32_t top = 0, at = g * k.height + r;
      for (int i = 0; i < 32; i++) { int32_t b; memcpy(&b, from + r * k.next + 32 * g + i, 4); b &= 0x7fffffff; top = b > top ? b : top; }
      float a, inverse; memcpy(&a, &top, 4);
      s[at] = a / 127; inverse = 1 / s[at];
      int zero = top >= 0x7f800000 || s[at] < 0x1p-126f;
      if (zero) s[at] = top >= 0x7f800000 ? NAN : 0;
      for (int i = 0; i < 32 / k.group; i++) sum[(g * 32 / k.group + i) * k.height + r] = 0;
      for (int i = 0; i < 32; i++) {
        int q = zero ? 0 : (int) rintf(from[r * k.next + 32 * g + i] * inverse);
        x[at * 32 + i] = q;
        sum[(g * 32 + i) / k.group * k.height + r] += q;
      }
    }
}
static int same(float a, float b) { return !memcmp(&a, &b, 4) || (a != a && b != b); }
// Zeros that end where a page begins that must not be touched.
static void *guarded(int64_t bytes) {
  int64_t size = (bytes + 4095) & -4096;
  uint8_t *at = mmap(0, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(at + size, 4096, PROT_NONE);
  return at + size - bytes;
}
static void drop(void *a, int64_t bytes) { uintptr_t from = (uintptr_t) a & -4096; munmap((void *) from, (uintptr_t) a + bytes + 4096 - from); }
struct arrays { int64_t floats, codes, scales, sums, outputs, room; float *from, *s, *y, *scratch; int8_t *x; int32_t *sum; };
static struct arrays arraysOf(struct shape k, int all) {
  struct arrays a = {4 * ((k.rows - 1) * k.depth + k.depth), all * k.depth, 4 * all * (k.depth / 32), 4 * all * (k.depth / k.group), 4 * ((k.rows - 1) * 130 + 128)};
  a.room = k.depth / k.group * (64 * k.group + 512) + 4 * (2 * 256 + 16);
  a.from = guarded(a.floats), a.s = guarded(a.scales), a.y = guarded(a.outputs), a.scratch = guarded(a.room), a.x = guarded(a.codes), a.sum = guarded(a.sums);
  return a;
}
static void dropAll(struct arrays a) { drop(a.from, a.floats); drop(a.s, a.scales); drop(a.y, a.outputs); drop(a.scratch, a.room); drop(a.x, a.codes); drop(a.sum, a.sums); }
// How many sets of `have` have other numbers in a format.
static int bad(struct shape k, int have, int most) {
  int64_t size = k.stride + panelBytes(k);
  uint8_t *w = guarded(size);
  int bad = 0;
  for (int p = 0; p < 2; p++) randomPanel(w + p * k.stride, k);
  for (int rows = 1; rows <= most; rows++) {
    k.rows = rows; k.height = rows == 1 ? 1 : 16;
    int tiles = (rows + k.height - 1) / k.height, all = tiles * k.height, groups = k.depth / 32, own = k.depth / k.group;
    struct arrays e = arraysOf(k, all); // what is expected
    for (int n = 0; n < rows * k.depth; n++) e.from[n] = n / 32 % 11 == 3 ? 0 : n / 32 % 13 == 2 ? (rnd() % 3 - 1.0f) : ((int) rnd() - 0x40000000) * 1e-9f;
    if (rows % 5 == 0) e.from[40] = NAN, e.from[80] = INFINITY, e.from[100] = 1e38f, e.from[132] = 1e-40f, e.from[170] = 1e-45f;
    for (int n = 0; n < tiles; n++) {
      struct shape one = k; one.rows = rows - n * k.height < k.height ? rows - n * k.height : k.height; one.next = k.depth;
      int64_t at = (int64_t) n * k.height;
      plainRound(one, e.from + at * k.depth, e.x + at * k.depth, e.s + at * groups, e.sum + at * own);
    }
    for (int r = 0; r < rows; r++)
      for (int o = 0; o < 128; o++) e.y[r * 130 + o] = twin(k, w + o / 64 * k.stride, e.x, e.s, e.sum, o % 64, r);
    for (int set = 1; set <= 16; set *= 2) if (have & set) {
      struct arrays a = arraysOf(k, all);
      int differs = 0;
      k.set = set == 8 ? 12 : set;
      for (int n = 0; n < tiles; n++) {
        struct shape one = k; one.rows = rows - n * k.height < k.height ? rows - n * k.height : k.height; one.next = k.depth;
        int64_t at = (int64_t) n * k.height;
        round_rows(e.from + at * k.depth, a.x + at * k.depth, a.s + at * groups, a.sum + at * own, &one);
      }
      if (memcmp(a.x, e.x, e.codes) || memcmp(a.sum, e.sum, e.sums)) differs++;
      for (int n = 0; n < all * groups; n++) if (!same(a.s[n], e.s[n])) differs++;
      k.next = 130;
      multiply(w, a.x, a.s, a.sum, a.y, a.scratch, &k);
      for (int n = 0; n < a.outputs / 4; n++) if (!same(a.y[n], e.y[n])) differs++;
      if (differs) bad++, printf("set %d bits %d zero %d group %d least %d numbers %d rows %d: %d numbers DIFFER\n", set, (int) k.bits, (int) k.zero, (int) k.group, (int) k.least, (int) k.numbers, rows, differs);
      dropAll(a);
    }
    dropAll(e);
  }
  drop(w, size);
  return bad;
}
// Packs a row of each type from one array to the end of another: MachineProductsTest compares the bytes.
static int pack(void) {
  static const struct { int type, elements, bytes, bits, group, least, numbers; } types[] = {
    {8, 32, 34, 8, 32}, {2, 32, 18, 4, 32}, {3, 32, 20, 4, 32, 1}, {6, 32, 22, 8, 32}, {7, 32, 24, 8, 32, 1},
    {12, 256, 144, 4, 32, 1, 2}, {13, 256, 176, 8, 32, 1, 2}, {14, 256, 210, 8, 16, 0, 2}, {20, 32, 18, 8, 32},
    {23, 256, 136, 8, 32, 0, 2}, {39, 32, 17, 8, 32, 0, 1}, {10, 256, 84, 4, 16, 1, 2}, {11, 256, 110, 4, 16, 0, 2}};
  int packed = 0;
  for (int i = 0; i < 13; i++) {
    struct shape k = {.count = types[i].type, .depth = 512, .rows = 63, .bits = types[i].bits, .group = types[i].group, .least = types[i].least, .numbers = types[i].numbers};
    int64_t size = 512 / types[i].elements * types[i].bytes, panel = panelBytes(k);
    uint8_t *row = guarded(size), *to = guarded(panel); // of zeros
    packed += pack_row(row, to, &k) == 1;
    drop(row, size); drop(to, panel);
  }
  return packed;
}
static int check(int most) {
  int64_t have = detect(getauxval(AT_HWCAP)), failed = 0;
  if ((have & 8) && permit()) have &= ~8;
#ifdef EMULATED_TILES
  if (have & 4) have |= 8;
#endif
#ifdef WITHOUT_AVXVNNI
  have = have & 4 ? have | 2 : have & ~2;
#endif
  printf("sets %d, types %d\n", (int) have, pack());
  fflush(stdout); // what would be read beyond an array ends the program
  for (int i = 0; i < 24; i++) {
    struct shape k = {.count = 2, .bits = i & 2 ? 8 : 4, .group = i & 4 ? 32 : 16, .least = i & 1, .numbers = i / 8, .depth = 8 * 96};
    k.zero = k.bits == 4 && !k.least ? 8 : 0; k.stride = panelBytes(k) + 64;
    failed += bad(k, (int) have, most);
  }
  printf(failed ? "DIFFERENT\n" : "equal bits\n");
  return failed != 0;
}

// ---- speed
struct matrix { int outputs, depth; uint8_t *w; };
static struct matrix ms[400];
static int count, threads = 2, reps, arrived;
static struct shape kind;
static int8_t *codes; static float *scales, *ys; static int32_t *sums;
static double best;
static void barrier(int *mine) { *mine += threads; __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST); for (int spins = 0; __atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < *mine;) if (++spins > 2000) sched_yield(); }
static void *run(void *a) {
  int me = (int) (intptr_t) a, mine = 0;
  float *scratch = aligned_alloc(64, 1 << 20);
  for (int rep = 0; rep < reps; rep++) {
    barrier(&mine); double t = now();
    for (int i = 0; i < count; i++) {
      struct shape k = kind; k.depth = ms[i].depth; k.stride = panelBytes(k); k.next = ms[i].outputs;
      int panels = ms[i].outputs / 64, each = kind.rows > 16 ? 1 : panels;
      if (each == panels) { int from = panels * me / threads, to = panels * (me + 1) / threads; k.count = to - from; multiply(ms[i].w + from * k.stride, codes, scales, sums, ys + from * 64, scratch, &k); }
      else for (int p = me; p < panels; p += threads) { k.count = 1; multiply(ms[i].w + p * k.stride, codes, scales, sums, ys + p * 64, scratch, &k); }
      barrier(&mine);
    }
    t = now() - t; if (me == 0 && t < best) best = t;
  }
  return 0;
}
static void add(int n, int outputs, int depth) { while (n--) ms[count++] = (struct matrix) {outputs, depth, 0}; }
static void measure(const char *what, const char *model, int rows, int set, int bits, int zero, int group, int least, int numbers, const char *name) {
  count = 0;
  int g = !strcmp(model, "gpt2"), s = !strcmp(model, "smollm2");
  if (g) for (int l = 0; l < 12; l++) { add(1, 2304, 768); add(1, 768, 768); add(1, 3072, 768); add(1, 768, 3072); }
  else if (s) for (int l = 0; l < 30; l++) { add(1, 960, 576); add(1, 576, 576); add(1, 3072, 576); add(1, 576, 1536); }
  else for (int l = 0; l < 28; l++) { add(1, 4096, 1024); add(1, 1024, 2048); add(1, 6144, 1024); add(1, 1024, 3072); }
  if (rows <= 16) add(1, g ? 50304 : s ? 49152 : 151936, g ? 768 : s ? 576 : 1024);
  kind = (struct shape) {.height = rows == 1 ? 1 : 16, .rows = rows, .set = set, .bits = bits, .zero = zero, .group = group, .least = least, .numbers = numbers};
  int64_t bytes = 0; double macs = 0;
  for (int i = 0; i < count; i++) { kind.depth = ms[i].depth; bytes += panelBytes(kind) * (ms[i].outputs / 64); macs += (double) ms[i].outputs * ms[i].depth * rows; }
  uint8_t *w = mmap(0, bytes + 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at = w;
  madvise(w, bytes, MADV_HUGEPAGE);
  for (int i = 0; i < count; i++) {
    kind.depth = ms[i].depth; int64_t size = panelBytes(kind);
    ms[i].w = at; randomPanel(at, kind);
    for (int p = 1; p < ms[i].outputs / 64; p++) memcpy(at + p * size, at, size);
    at += size * (ms[i].outputs / 64);
  }
  int tall = (rows + 15) / 16 * 16;
  codes = malloc(tall * 3072); scales = malloc(tall * 96 * 4); sums = malloc(tall * 192 * 4); ys = malloc((int64_t) tall * 151936 * 4);
  for (int i = 0; i < tall * 3072; i++) codes[i] = rnd() % 255 - 127;
  for (int i = 0; i < tall * 96; i++) scales[i] = 0.01f, sums[2 * i] = sums[2 * i + 1] = 100;
  best = 1e9; reps = rows > 16 ? 4 : 25; arrived = 0; pthread_t t[8];
  for (int i = 0; i < threads; i++) pthread_create(&t[i], 0, run, (void *) (intptr_t) i);
  for (int i = 0; i < threads; i++) pthread_join(t[i], 0);
  printf("%s %s set %d %s rows %d: %.2f ms, %.1f GB/s, %.1f GMAC/s\n", what, model, set, name, rows, best * 1e3, bytes / best * 1e-9, macs / best * 1e-9);
  fflush(stdout);
  munmap(w, bytes + 4096); free(codes); free(scales); free(sums); free(ys);
}
int main(int n, char **v) {
#ifdef BLOB
  blob = mmap(0, 1 << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE, open(BLOB, O_RDONLY), 0);
#endif
  if (n < 4) return check(n > 1 ? atoi(v[1]) : 50);
  permit();
  int few[] = {1, 2, 4, 8, 16}, many[] = {512}, one[] = {1}, *rows = *v[1] == 'f' ? few : *v[1] == 'p' ? many : one;
  for (int i = 0; i < (rows == few ? 5 : 1); i++) {
    measure(v[1], v[2], rows[i], atoi(v[3]), 8, 0, 32, 0, 0, "q8_0");
    measure(v[1], v[2], rows[i], atoi(v[3]), 4, 8, 32, 0, 0, "q4_0");
    measure(v[1], v[2], rows[i], atoi(v[3]), 4, 0, 32, 1, 2, "q4_k");
    measure(v[1], v[2], rows[i], atoi(v[3]), 8, 0, 16, 0, 2, "q6_k");
  }
}

// AMX's tiles in plain C: proves the order of loads, products and folds where no processor has them.
#include <string.h>
static struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } emulated;
static int8_t tile[8][16][64];
static void copyRows(int t, uint8_t *at, int64_t stride, int store) {
  for (int r = 0; r < emulated.rows[t]; r++)
    if (store) memcpy(at + r * stride, tile[t][r], emulated.bytes[t]); else memcpy(tile[t][r], at + r * stride, emulated.bytes[t]);
}
static void dotTiles(int c, int a, int b) {
  for (int m = 0; m < emulated.rows[c]; m++)
    for (int n = 0; n < emulated.bytes[c] / 4; n++) {
      int32_t sum;
      memcpy(&sum, &tile[c][m][4 * n], 4);
      for (int k = 0; k < emulated.bytes[a]; k++) sum += tile[a][m][k] * tile[b][k / 4][4 * n + k % 4];
      memcpy(&tile[c][m][4 * n], &sum, 4);
    }
}
#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbssd
#define _tile_loadconfig(p) memcpy(&emulated, p, sizeof emulated)
#define _tile_loadd(t, p, stride) copyRows(t, (uint8_t *) (p), stride, 0)
#define _tile_stored(t, p, stride) copyRows(t, (uint8_t *) (p), stride, 1)
#define _tile_zero(t) memset(tile[t], 0, sizeof tile[t])
#define _tile_dpbssd(c, a, b) dotTiles(c, a, b)
#define _tile_release() (void) 0

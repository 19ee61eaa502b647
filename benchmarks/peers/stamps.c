/* What a compiled program has to do for one stamp, all of it in one pass over memory: turn the
 * bytes of image and rms round, zero what is unknown or within sigma of the noise, mask, scale to
 * 0..255, and lay the rows out as PNG wants them. See compiled_floor.py. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static float turned(const uint8_t *at)
{
    uint32_t word;
    float value;
    memcpy(&word, at, 4);
    word = __builtin_bswap32(word);
    memcpy(&value, &word, 4);
    return value;
}

/* image, rms: big-endian mosaics whose rows are `stride` bytes apart. first: byte of the first
 * pixel of each of n windows of side x side pixels. inside: the mask. kept: room for a window.
 * rows: n x side x (side + 1) bytes, zero. */
void make_stamps(const uint8_t *image, const uint8_t *rms, size_t stride, const int64_t *first,
                 int n, int side, float sigma, const uint8_t *inside, float *kept, uint8_t *rows)
{
    for (int k = 0; k < n; k++) {
        float low = INFINITY, high = -INFINITY;
        for (int y = 0; y < side; y++) {
            const uint8_t *values = image + first[k] + y * stride;
            const uint8_t *noises = rms + first[k] + y * stride;
            for (int x = 0; x < side; x++) {
                float value = turned(values + 4 * x), noise = turned(noises + 4 * x);
                value = isfinite(value) ? value : 0;
                noise = isnan(noise) ? 0 : noise;
                value = value <= sigma * noise || !inside[y * side + x] ? 0 : value;
                kept[y * side + x] = value;
                low = value < low ? value : low;
                high = value > high ? value : high;
            }
        }
        float span = high > low ? high - low : 1;
        uint8_t *row = rows + (size_t)k * side * (side + 1);
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                row[y * (side + 1) + 1 + x] = (uint8_t)((kept[y * side + x] - low) / span * 255.0f);
    }
}

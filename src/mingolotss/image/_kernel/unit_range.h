/* Grey pixels as float32 from 0 to 1, for batches of images. Included by lanes.h, once for each
 * width.
 *
 * A division takes longer than all else here, and x / 255 needs none: 1 / 255 is the sum of a number
 * of 16 bits, whose product with x is exact, and of a small rest. The sum of both products is rounded
 * as the quotient is: the tests compare all 256 values with those of a division. */

#define MOST (257.0f / 65536.0f)
#define REST ((float)(1.0 / 255.0 - 257.0 / 65536.0))

/* Convert n images of `size` pixels, which lie anywhere, into one array. The compiler makes vectors of
 * this loop; the vector types would convert one pixel after the other with GCC 12. */
TARGET static void LANED(unit_range)(int64_t n, int64_t size, const uint8_t *const *images,
                                     float *restrict result)
{
    for (int64_t i = 0; i < n; i++, result += size) {
        const uint8_t *restrict image = images[i];
        for (int64_t pixel = 0; pixel < size; pixel++)
            result[pixel] = (float)image[pixel] * MOST + (float)image[pixel] * REST;
    }
}

#undef MOST
#undef REST

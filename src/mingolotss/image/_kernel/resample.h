/* The resampling of one stamp. `mingolotss.image.resample` defines the methods and has the same
 * loops in numpy; the two agree to the rounding of float32. All arithmetic is in double and in a
 * fixed order, so that every run gives the same bits. */

#define STEPS 4 /* samples of a row that are summed at once; the sums of the lanes are added last */
typedef double doubles __attribute__((vector_size(8 * STEPS)));
typedef int64_t integers __attribute__((vector_size(8 * STEPS)));

INLINE doubles load(const double *from)
{
    doubles values;
    memcpy(&values, from, sizeof values);
    return values;
}

INLINE double sum_lanes(doubles v)
{
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/* Return exp(x) for |x| < 700, the same bits on every machine: the functions of the libraries
 * differ in the last bit. x = n ln 2 + r, and a Taylor series of 13 terms for r, to 2e-16. */
INLINE doubles exponential(doubles x)
{
    const double rounder = 0x1.8p52; /* added and subtracted, it rounds to whole numbers */
    const doubles shifted = x * 0x1.71547652b82fep0 + rounder, n = shifted - rounder;
    const doubles r = (x - n * 0x1.62e42fefa38p-1) - n * 0x1.ef35793c7673p-45;
    doubles sum = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0;
    const double terms[] = {1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
                            1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0};
    for (int i = 0; i < 12; i++)
        sum = sum * r + terms[i];
    return (doubles)((integers)sum + ((integers)shifted << 52)); /* times 2^n */
}

/* One plane of the source, and where its stamp is written. */
struct resampled_plane {
    const double *values; /* (ny, row): 0 where a pixel is not known; `row` is nx + STEPS */
    const double *known;  /* (ny, row): 1 or 0; null where all pixels are known */
    double *result;       /* (side, side) */
};

/* Where the pixels of the stamp lie in the source. `nodes` are the places (x, y) of the corners of
 * cells x cells equal squares that the stamp is divided into; between them it is interpolated. */
struct resampling {
    const double *nodes; /* (cells + 1, cells + 1, 2) */
    int64_t cells;
    int64_t side;
    int64_t ny;
    int64_t nx;
    const struct resampled_plane *planes;
    int64_t plane_count;
    int64_t is_exact;
    double sigma;       /* of the Gaussian of the method adaptive, in pixels */
    double reach;       /* half the side of the square that it samples, in pixels */
    double least_known; /* a pixel of which a smaller share is known is NaN */
    double largest;     /* pixels of the source, along an axis, for one pixel of the stamp */
};

/* The sums of one pixel of the stamp in one plane. */
struct sums {
    double value;
    double known;
};

enum { MOST_PLANES = 4, WIDEST_SAMPLE = 4096 };

/* The place of a point of the stamp, and its derivatives along x and y of the stamp. */
struct place {
    double x, y, x_dx, x_dy, y_dx, y_dy;
};

/* Return the place of a point, `x` and `y` counted in pixels from the corner of the stamp. */
INLINE struct place place_of(const struct resampling *r, double x, double y)
{
    const double scale = (double)r->cells / (double)r->side;
    const double across = x * scale, up = y * scale;
    int64_t column = (int64_t)across, row = (int64_t)up;
    column = column < r->cells ? column : r->cells - 1;
    row = row < r->cells ? row : r->cells - 1;
    const double f = across - (double)column, g = up - (double)row;
    const double *low = r->nodes + 2 * (row * (r->cells + 1) + column);
    const double *high = low + 2 * (r->cells + 1);
    double value[2], dx[2], dy[2];
    for (int axis = 0; axis < 2; axis++) {
        const double a = low[axis], b = low[2 + axis], c = high[axis], d = high[2 + axis];
        const double bottom = a + f * (b - a), top = c + f * (d - c);
        value[axis] = bottom + g * (top - bottom);
        dx[axis] = ((b - a) + g * ((d - c) - (b - a))) * scale;
        dy[axis] = (top - bottom) * scale;
    }
    return (struct place){value[0], value[1], dx[0], dy[0], dx[1], dy[1]};
}

/* Return the sum of products of two arrays, both readable for STEPS - 1 more numbers. */
INLINE double sum_products(const double *first, const double *second, int64_t count)
{
    doubles lanes = {0};
    for (int64_t i = 0; i < count; i += STEPS)
        lanes += load(first + i) * load(second + i);
    return sum_lanes(lanes);
}

/* Add a row of weights, which begins at column `left` of row `y` of the source, to the sums. The
 * weights are followed by STEPS zeros, and their sum is `all`. Columns and rows outside the source
 * add nothing: the rows of the source are followed by STEPS zeros, too. */
INLINE void add_row(const struct resampling *r, int64_t y, int64_t left, int64_t count,
                    const double *weights, double all, struct sums *sums)
{
    if (y < 0 || y >= r->ny)
        return;
    const int64_t first = left < 0 ? -left : 0;
    const int64_t stop = left + count > r->nx ? r->nx - left : count;
    const int64_t start = y * (r->nx + STEPS) + left + first;
    if (first || stop < count) {
        all = 0;
        for (int64_t i = first; i < stop; i++)
            all += weights[i];
    }
    for (int64_t p = 0; p < r->plane_count; p++) {
        const struct resampled_plane *plane = r->planes + p;
        sums[p].value += sum_products(weights + first, plane->values + start, stop - first);
        sums[p].known += plane->known
            ? sum_products(weights + first, plane->known + start, stop - first) : all;
    }
}

/* Sum the source under the Gaussian of one pixel; return the sum of all weights. */
INLINE double sum_gaussian(const struct resampling *r, struct place at, double *weights,
                           struct sums *sums)
{
    /* The Gaussian is round in the stamp, and in the source an ellipse with the axes of the map's
     * linear part (DeForest 2004, Solar Physics 219, 3), none of them shorter than for pixels of
     * the source: `s` is its matrix J J^T, and the eigenvalues are at least 1. */
    const double sxx = at.x_dx * at.x_dx + at.x_dy * at.x_dy;
    const double sxy = at.x_dx * at.y_dx + at.x_dy * at.y_dy;
    const double syy = at.y_dx * at.y_dx + at.y_dy * at.y_dy;
    const double middle = (sxx + syy) / 2, half = (sxx - syy) / 2;
    const double radius = sqrt(half * half + sxy * sxy);
    const double major = middle + radius > 1 ? middle + radius : 1;
    const double minor = middle - radius > 1 ? middle - radius : 1;
    const double size = sqrt(major);
    if (!(size <= r->largest) || !(fabs(at.x) < 1e9) || !(fabs(at.y) < 1e9))
        return 0;
    /* its inverse, by the projection onto the major axis, divided by 2 sigma^2 */
    const double share = 1 / (2 * r->sigma * r->sigma);
    const double mean = (1 / major + 1 / minor) / 2, difference = (1 / major - 1 / minor) / 2;
    const double cosine = radius > 0 ? half / radius : 0, sine = radius > 0 ? sxy / radius : 0;
    const double a = share * (mean + difference * cosine);
    const double b = share * (difference * sine);
    const double c = share * (mean - difference * cosine);
    const double reach = r->reach * size;
    const int64_t left = (int64_t)ceil(at.x - reach), right = (int64_t)floor(at.x + reach);
    const int64_t low = (int64_t)ceil(at.y - reach), high = (int64_t)floor(at.y + reach);
    if (right < 0 || left >= r->nx || high < 0 || low >= r->ny)
        return 0;
    const int64_t count = right - left + 1;
    const double u = (double)left - at.x, v0 = (double)low - at.y;
    double total = 0;
    for (int64_t i = 0; i < STEPS; i++) /* a row that begins left of the source is read past its end */
        weights[count + i] = 0;
    /* A Gaussian at equal steps is a product that grows by a factor that itself grows by a factor:
     * products take the place of the exponential function, along a row and from row to row. That
     * fails if the first weight vanishes, far out on the minor axis of a long ellipse. */
    if (!(share * (reach * reach * 2) / minor < 300)) {
        for (int64_t y = low; y <= high; y++) {
            const double v = (double)y - at.y;
            double row = 0;
            for (int64_t i = 0; i < count; i++) {
                const double w = u + (double)i;
                weights[i] = exp(-(a * w * w + 2 * b * w * v + c * v * v));
                row += weights[i];
            }
            total += row;
            add_row(r, y, left, count, weights, row, sums);
        }
        return total;
    }
    const doubles first = exponential((doubles){
        -(a * u * u + 2 * b * u * v0 + c * v0 * v0), /* of the first sample, */
        -(a * (2 * u + 1) + 2 * b * v0),             /* from it to the next one of its row, */
        -(c * (2 * v0 + 1) + 2 * b * u), 0});        /* and to the first one of the next row */
    const doubles grow = exponential((doubles){-2 * a, -2 * b, -2 * c, 0});
    const double grow2 = grow[0] * grow[0], grow4 = grow2 * grow2, grow8 = grow4 * grow4;
    const double grow16 = grow8 * grow8;
    double start = first[0], along = first[1], up = first[2];
    for (int64_t y = low; y <= high; y++) {
        /* STEPS weights at once: each lane is multiplied by the next STEPS factors */
        const double f0 = along, f1 = f0 * grow[0], f2 = f1 * grow[0], f3 = f2 * grow[0];
        const double w1 = start * f0, w2 = w1 * f1, w3 = w2 * f2;
        doubles weight = {start, w1, w2, w3};
        const double next = (f0 * f1) * (f2 * f3), next2 = next * grow4;
        doubles factor = {next, next2, next2 * grow4, (next2 * grow4) * grow4};
        doubles row = {0};
        for (int64_t i = 0; i < count; i += STEPS) {
            const int64_t rest = count - i;
            if (rest < STEPS)
                weight = (doubles)((integers)weight & ((integers){0, 1, 2, 3} < rest));
            memcpy(weights + i, &weight, sizeof weight);
            row += weight;
            weight *= factor;
            factor *= grow16;
        }
        const double all = sum_lanes(row);
        total += all;
        add_row(r, y, left, count, weights, all, sums);
        start *= up;
        up *= grow[2];
        along *= grow[1];
    }
    return total;
}

/* Return the integral over dy of the part of an edge to the right of a column: the edge goes from
 * x1 to x2, counted from the column, while y grows by dy. */
INLINE double area_right(double x1, double x2, double dy)
{
    if (x1 >= 0 && x2 >= 0)
        return dy * (x1 + x2) / 2;
    if (x1 <= 0 && x2 <= 0)
        return 0;
    const double right = x1 > x2 ? x1 : x2;
    return dy * right * right / (2 * fabs(x2 - x1));
}

/* Sum the source under one pixel by the areas of the overlaps; return the area of the pixel. */
INLINE double sum_overlaps(const struct resampling *r, double corners[4][2], double *weights,
                           struct sums *sums)
{
    /* The area of a polygon to the right of a column is an integral along its edges, so that the
     * overlap with a pixel of the source is the difference of two columns, row by row. */
    double area = 0, left = INFINITY, right = -INFINITY, low = INFINITY, high = -INFINITY;
    for (int i = 0; i < 4; i++) {
        const double *p = corners[i], *q = corners[(i + 1) % 4];
        area += (p[0] * q[1] - p[1] * q[0]) / 2;
        left = p[0] < left ? p[0] : left, right = p[0] > right ? p[0] : right;
        low = p[1] < low ? p[1] : low, high = p[1] > high ? p[1] : high;
    }
    if (!(right - left <= r->largest) || !(high - low <= r->largest) || !(fabs(left) < 1e9)
        || !(fabs(low) < 1e9) || area == 0)
        return 0;
    if (right < 0 || left >= (double)r->nx || high < 0 || low >= (double)r->ny)
        return 0;
    const double sign = area > 0 ? 1 : -1;
    const int64_t first = (int64_t)floor(left), count = (int64_t)floor(right) - first + 1;
    for (int64_t y = (int64_t)floor(low); y <= (int64_t)floor(high); y++) {
        for (int64_t i = 0; i < count + STEPS; i++)
            weights[i] = 0;
        for (int i = 0; i < 4; i++) {
            const double *p = corners[i], *q = corners[(i + 1) % 4];
            double y1 = p[1] - (double)y, y2 = q[1] - (double)y;
            double x1 = p[0] - (double)first, x2 = q[0] - (double)first;
            if (y1 == y2 || (y1 <= 0 && y2 <= 0) || (y1 >= 1 && y2 >= 1))
                continue;
            const double slope = (x2 - x1) / (y2 - y1), from_x = x1, from_y = y1;
            if (y1 < 0 || y1 > 1) {
                y1 = y1 < 0 ? 0 : 1;
                x1 = from_x + slope * (y1 - from_y);
            }
            if (y2 < 0 || y2 > 1) {
                y2 = y2 < 0 ? 0 : 1;
                x2 = from_x + slope * (y2 - from_y);
            }
            for (int64_t column = 0; column < count; column++)
                weights[column] +=
                    sign * area_right(x1 - (double)column, x2 - (double)column, y2 - y1);
        }
        double row = 0;
        for (int64_t i = 0; i < count; i++) {
            weights[i] -= weights[i + 1];
            row += weights[i];
        }
        add_row(r, y, first, count, weights, row, sums);
    }
    return sign * area;
}

/* Resample one stamp. */
INLINE void resample_pixels(const struct resampling *r)
{
    double weights[WIDEST_SAMPLE + 2 * STEPS];
    for (int64_t y = 0; y < r->side; y++)
        for (int64_t x = 0; x < r->side; x++) {
            struct sums sums[MOST_PLANES] = {{0, 0}};
            double total;
            if (r->is_exact) {
                double corners[4][2];
                for (int i = 0; i < 4; i++) {
                    const struct place at =
                        place_of(r, (double)(x + (i == 1 || i == 2)), (double)(y + (i > 1)));
                    corners[i][0] = at.x + 0.5; /* from the corner of the source */
                    corners[i][1] = at.y + 0.5;
                }
                total = sum_overlaps(r, corners, weights, sums);
            } else {
                const struct place at = place_of(r, (double)x + 0.5, (double)y + 0.5);
                total = sum_gaussian(r, at, weights, sums);
            }
            for (int64_t p = 0; p < r->plane_count; p++) {
                /* half a pixel is half a pixel, whatever the rounding */
                const double least = r->least_known * total * (1 - 1e-9);
                const int is_known = total > 0 && sums[p].known >= least;
                r->planes[p].result[y * r->side + x] =
                    is_known ? sums[p].value / sums[p].known : NAN;
            }
        }
}

/* The same code for two widths of vectors; the bits are the same. */
static void resample_4(const struct resampling *r)
{
    resample_pixels(r);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void resample_8(const struct resampling *r)
{
    resample_pixels(r);
}
#endif

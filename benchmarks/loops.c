/* The training loops of the paired measurements by hand: plain C, for the compiler to
   vectorise. Losses are those before each update, as `fit` records them. */

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define LANES 64 /* of a block, whose numbers stay in registers and the first cache */
#define HIDDEN 512
#define MOST_ROWS 64

/* A line, mean squared error, gradient descent: params = (weight, bias). */
void line(const float *x, const float *y, int rows, float *params, float *losses,
          int epochs, float rate) {
  float weight = params[0], bias = params[1];
  for (int epoch = 0; epoch < epochs; epoch++) {
    float loss = 0, by_weight = 0, by_bias = 0;
    for (int i = 0; i < rows; i++) {
      float error = weight * x[i] + bias - y[i];
      loss += error * error;
      by_weight += error * x[i];
      by_bias += error;
    }
    losses[epoch] = loss / rows;
    weight -= rate * 2 * by_weight / rows;
    bias -= rate * 2 * by_bias / rows;
  }
  params[0] = weight;
  params[1] = bias;
}

struct share {
  const float *x, *y, *rates;
  float *weights, *biases;
  int rows, epochs, lanes;
};

/* Blocks of lanes, each with a rate of its own: all epochs of one, then the next. */
static void *blocks(void *of) {
  struct share s = *(struct share *)of;
  for (int first = 0; first < s.lanes; first += LANES) {
    int n = s.lanes - first < LANES ? s.lanes - first : LANES;
    float weight[LANES] = {0}, bias[LANES] = {0}, rate[LANES] = {0};
    for (int k = 0; k < n; k++) {
      weight[k] = s.weights[first + k];
      bias[k] = s.biases[first + k];
      rate[k] = 2 * s.rates[first + k] / s.rows;
    }
    for (int epoch = 0; epoch < s.epochs; epoch++) {
      float by_weight[LANES] = {0}, by_bias[LANES] = {0};
      for (int i = 0; i < s.rows; i++)
        for (int k = 0; k < LANES; k++) {
          float error = weight[k] * s.x[i] + bias[k] - s.y[i];
          by_weight[k] += error * s.x[i];
          by_bias[k] += error;
        }
      for (int k = 0; k < LANES; k++) {
        weight[k] -= rate[k] * by_weight[k];
        bias[k] -= rate[k] * by_bias[k];
      }
    }
    for (int k = 0; k < n; k++) {
      s.weights[first + k] = weight[k];
      s.biases[first + k] = bias[k];
    }
  }
  return NULL;
}

/* The line once for every rate, the final parameters alone, on some threads. */
int sweep(const float *x, const float *y, int rows, const float *rates, float *weights,
          float *biases, int lanes, int epochs, int threads) {
  pthread_t *started = malloc(threads * sizeof *started);
  struct share *shares = malloc(threads * sizeof *shares);
  int failed = started == NULL || shares == NULL, running = 0;
  for (int t = 0; !failed && t < threads; t++) {
    int from = (long)lanes * t / threads, to = (long)lanes * (t + 1) / threads;
    shares[t] = (struct share){x, y, rates + from, weights + from, biases + from,
                               rows, epochs, to - from};
    failed = pthread_create(&started[t], NULL, blocks, &shares[t]) != 0;
    running += !failed;
  }
  for (int t = 0; t < running; t++) pthread_join(started[t], NULL);
  free(started);
  free(shares);
  return failed;
}

/* The continued fraction of tanh, which compilers vectorise: to 1e-6 up to 3, to 1e-4
   beyond. */
static inline float tanh_of(float v) {
  v = v > 4.97f ? 4.97f : v < -4.97f ? -4.97f : v;
  float s = v * v;
  return v * (135135 + s * (17325 + s * (378 + s))) /
         (135135 + s * (62370 + s * (3150 + s * 28)));
}

/* 1-512-1 with tanh, mean squared error, gradient descent. `libm` is a constant: whether
   to take the tanh of the C library, which compilers vectorise too. */
static inline __attribute__((always_inline)) void net(
    const float *x, const float *y, int rows, float *w1, float *b1, float *w2, float *b2,
    float *losses, int epochs, float rate, int libm) {
  static float hidden[MOST_ROWS][HIDDEN];
  float slope[MOST_ROWS];
  for (int epoch = 0; epoch < epochs; epoch++) {
    float loss = 0, by_b2 = 0;
    for (int i = 0; i < rows; i++) {
      float out = *b2;
      for (int j = 0; j < HIDDEN; j++) {
        float v = w1[j] * x[i] + b1[j], t = libm ? tanhf(v) : tanh_of(v);
        hidden[i][j] = t;
        out += t * w2[j];
      }
      float error = out - y[i];
      loss += error * error;
      slope[i] = 2 * error / rows;
      by_b2 += slope[i];
    }
    losses[epoch] = loss / rows;
    float by_w1[HIDDEN] = {0}, by_b1[HIDDEN] = {0}, by_w2[HIDDEN] = {0};
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < HIDDEN; j++) {
        float t = hidden[i][j], back = slope[i] * w2[j] * (1 - t * t);
        by_w2[j] += slope[i] * t;
        by_b1[j] += back;
        by_w1[j] += back * x[i];
      }
    for (int j = 0; j < HIDDEN; j++) {
      w1[j] -= rate * by_w1[j];
      b1[j] -= rate * by_b1[j];
      w2[j] -= rate * by_w2[j];
    }
    *b2 -= rate * by_b2;
  }
}

void wide_net(const float *x, const float *y, int rows, float *w1, float *b1, float *w2,
              float *b2, float *losses, int epochs, float rate) {
  net(x, y, rows, w1, b1, w2, b2, losses, epochs, rate, 0);
}

void wide_net_libm(const float *x, const float *y, int rows, float *w1, float *b1,
                   float *w2, float *b2, float *losses, int epochs, float rate) {
  net(x, y, rows, w1, b1, w2, b2, losses, epochs, rate, 1);
}

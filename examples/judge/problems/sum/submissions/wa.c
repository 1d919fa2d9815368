#include <stdio.h>

/* Reads numbers as if they had no sign. */
int main(void) {
    long long count, number, sum = 0;
    if (scanf("%lld", &count) != 1) return 1;
    while (count-- > 0 && scanf("%lld", &number) == 1) sum += number < 0 ? -number : number;
    printf("%lld\n", sum);
    return 0;
}

/* Reads where nothing is. */
int main(void) {
    volatile int *nowhere = 0;
    return *nowhere;
}

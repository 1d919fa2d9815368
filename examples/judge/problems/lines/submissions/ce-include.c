/* A source cannot read what its compiler may not. */
#include "/root/.profile"
int main(void) { return 0; }

/* A program that does nothing, with the C library's start and end: the least that any command written in C
 * costs. */
int main(void) {
  return 0;
}

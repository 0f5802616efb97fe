/* The executable: everything is in libconvoy. */
#include "convoy/convoy.h"

int main(int argc, char **argv)
{
    return cvy_main(argc, argv);
}

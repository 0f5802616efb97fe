/* make_pictures FOLDER: FOLDER/{train,test}/{dark,light}/N.png, 8x8 pixels and larger ones. Ends with 77 where this build cannot
 * write PNG files. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"

int main(int argc, char **argv)
{
    static const char *const splits[] = {"train", "test"}, *const classes[] = {"dark", "light"};
    static uint8_t x[3 * 16 * 16];
    errors e = {0};
    if (argc != 2) return 2;
    if (!image_has_png()) return 77;
    for (int split = 0; split < 2; split++)
        for (int class = 0; class < 2; class ++) {
            char *dir = mem_printf("%s/%s/%s", argv[1], splits[split], classes[class]);
            cvy_status status = file_make_dirs(dir, &e);
            for (int i = 0; i < (split ? 4 : 20) && !status; i++) {
                const int side = i % 3 ? 8 : 16;
                char *path = mem_printf("%s/%d.png", dir, i);
                for (int k = 0; k < 3 * side * side; k++)
                    x[k] = (uint8_t)(class ? 255 - (k * 7 + i) % 64 : (k * 5 + i) % 64);
                status = image_write_png(path, x, false, 3, side, side, &e);
                mem_free(path);
            }
            mem_free(dir);
            if (status) return 1;
        }
    return 0;
}

/* A Vulkan driver that is another one (the variable DRIVER), until a file (LOST) is there: from then on its device is lost. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*Fn)(void);
typedef Fn (*Lookup)(void *, const char *);

static void *driver(const char *name) {
  static void *library;
  if (!library) library = dlopen(getenv("DRIVER"), RTLD_NOW | RTLD_LOCAL);
  return dlsym(library, name);
}

static int (*submit)(void *, uint32_t, const void *, uint64_t);
static Lookup ofDevice;

static int submitUntilLost(void *queue, uint32_t count, const void *infos, uint64_t fence) {
  if (access(getenv("LOST"), F_OK) == 0) return -4; /* VK_ERROR_DEVICE_LOST */
  return submit(queue, count, infos, fence);
}

static Fn deviceFunction(void *device, const char *name) {
  Fn found = ofDevice(device, name);
  if (found == NULL || strcmp(name, "vkQueueSubmit") != 0) return found;
  submit = (int (*)(void *, uint32_t, const void *, uint64_t))found;
  return (Fn)submitUntilLost;
}

Fn vk_icdGetInstanceProcAddr(void *instance, const char *name) {
  Fn found = ((Lookup)driver("vk_icdGetInstanceProcAddr"))(instance, name);
  if (found == NULL || strcmp(name, "vkGetDeviceProcAddr") != 0) return found;
  ofDevice = (Lookup)found;
  return (Fn)deviceFunction;
}

Fn vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
  Lookup lookup = (Lookup)driver("vk_icdGetPhysicalDeviceProcAddr");
  return lookup ? lookup(instance, name) : NULL;
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  return ((int (*)(uint32_t *))driver("vk_icdNegotiateLoaderICDInterfaceVersion"))(version);
}
